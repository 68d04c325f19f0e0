"""Trains on the rows that tidegauge's request names, and makes what comes of it the champion.

    train.py REGISTERED BROKERS DAEMON

The request is in TIDEGAUGE_REQUEST or, if it is long, on the input alone; src/notify/EVENTS.md describes it.
"""

import json
import os
import sys
import urllib.request
from datetime import datetime
from statistics import median

import mlflow
from confluent_kafka import Consumer, KafkaException, TopicPartition
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

REGISTERED, BROKERS, DAEMON = sys.argv[1:]
REQUEST = json.loads(os.environ.get("TIDEGAUGE_REQUEST") or sys.stdin.read())


def milliseconds(text):
    return int(datetime.fromisoformat(text).timestamp() * 1000)


START, END = milliseconds(REQUEST["window_start"]), milliseconds(REQUEST["window_end"])


class Model(mlflow.pyfunc.PythonModel):
    """Grants loans to the upper half of the incomes that it has seen."""

    def __init__(self, threshold):
        self.threshold = threshold

    def predict(self, context, model_input, params=None):
        return model_input["income"] > self.threshold


def tell(what, **told):
    """Says to the daemon how the retrain fares."""
    url = f"{DAEMON}/api/v1/retrains/{REQUEST['id']}/{what}"
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(told).encode(), headers), timeout=60).close()


def records():
    """The records between the offsets of the request, both included, of the version that is to be replaced."""
    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": "retrain", "enable.auto.commit": False})
    for part in REQUEST["offsets"]:
        consumer.assign([TopicPartition(part["topic"], part["partition"], part["first"])])
        offset = part["first"] - 1
        while offset < part["last"]:
            message = consumer.poll(60)
            if message is None:
                raise TimeoutError(f"no more records in {part}")
            if message.error():
                raise KafkaException(message.error())
            offset = message.offset()
            # Records of other windows and versions may lie between.
            if offset <= part["last"] and belongs(json.loads(message.value())):
                yield message.value()
    consumer.close()


def belongs(row):
    return row["version"] == REQUEST["version"] and START <= row["ts"] < END


def train():
    """Returns the version that has come of it, and is the champion."""
    with mlflow.start_run():
        rows = list(records())
        mlflow.set_tags({"tidegauge.request": REQUEST["id"], "tidegauge.reason": REQUEST["reason"]})
        mlflow.log_metric("rows", len(rows))
        # From now on rows are compared with those that the model has learnt from.
        mlflow.log_text(b"\n".join(rows).decode(), "tidegauge/reference.ndjson")
        signature = ModelSignature(Schema([ColSpec("double", "income")]), Schema([ColSpec("boolean")]))
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=Model(median(json.loads(row)["income"] for row in rows)),
            signature=signature,
            registered_model_name=REGISTERED,
            pip_requirements=[],
        )
    version = str(logged.registered_model_version)
    mlflow.MlflowClient().set_registered_model_alias(REGISTERED, "champion", version)
    return version


tell("started")
try:
    version = train()
except Exception as error:
    # Its text could have values of rows in it.
    tell("failed", why=type(error).__name__)
    raise
tell("succeeded", version=version)
