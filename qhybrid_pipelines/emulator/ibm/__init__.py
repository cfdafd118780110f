"""IBM's face of the emulated cloud: the runtime interface, the exchange of keys, and the lists of instances."""
