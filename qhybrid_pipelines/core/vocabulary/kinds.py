"""What stands in the column `family` for experiments that are not about a family of problems."""

#: For a learning experiment.
LEARNING_FAMILY = "qml"
#: For a sampling experiment.
SAMPLING_FAMILY = "sampling"
