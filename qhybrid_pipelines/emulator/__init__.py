"""A QPU cloud on this machine's loopback address, for tests, benchmarks and the demo.

It speaks the REST interface that IonQ publishes as v0.4 and was written from that public description. It is an
emulator: the vendor has not seen or certified it, no circuit reaches a quantum processor, no money is charged.

What lives here is a vendor. Nothing of the pipeline imports it except the command line, the demo and tests, which
only start it; all else meets it over HTTP, as it would meet the real cloud. It imports nothing of the pipeline but
its error for wrong input.
"""
