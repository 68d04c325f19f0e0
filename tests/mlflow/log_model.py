"""Logs a model as people do, with its reference beside it, and registers it. Prints the version.

    log_model.py URL NAME REFERENCE
"""

import sys

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

URL, NAME, REFERENCE = sys.argv[1:]


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["income"] > 50


mlflow.set_tracking_uri(URL)
inputs = Schema([ColSpec("double", "income"), ColSpec("string", "purpose")])
signature = ModelSignature(inputs, Schema([ColSpec("boolean")]))
with mlflow.start_run():
    logged = mlflow.pyfunc.log_model(
        name="model", python_model=Model(), signature=signature, registered_model_name=NAME, pip_requirements=[]
    )
    mlflow.log_artifact(REFERENCE, "tidegauge")
print(logged.registered_model_version)
