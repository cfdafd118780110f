"""IonQ's quantum cloud by its published REST interface v0.4; `execution.providers.ionq` puts the parts together."""

NAME = "ionq"
