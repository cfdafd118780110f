"""The face of Amazon Braket, with a stand-in for the bucket of results, over the emulator's one store, clock, fault plan and job log."""
