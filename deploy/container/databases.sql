-- The three databases of docs/postgres.md, made once, when the server's folder is empty.
CREATE DATABASE ledger;
CREATE DATABASE dagster;
CREATE DATABASE mlflow;
