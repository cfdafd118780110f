"""Amazon Braket's gate devices, task by task, over our own transport; botocore only reads credentials and signs."""

NAME = "braket"
