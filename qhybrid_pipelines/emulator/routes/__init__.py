"""The routes, one module per subject; each page is a thin reader of its parameters before `cloud`.

All pages run on the event loop and use the store from there, one after the other: a cancellation and a completion never
see half of each other. Only the simulation of a result leaves for a worker thread.
"""
