"""Devices that a computing centre offers through QRMI and nothing else; the library runs in processes of its own.

QRMI starts tasks without a label and lists none. So nobody can find out by a program what became of a submission whose answer was lost:
the job waits until a person has looked at the vendor's page.
"""

NAME = "qrmi"
