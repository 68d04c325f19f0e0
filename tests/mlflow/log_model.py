"""Logs a model as people do, with its reference beside it, and registers it. Prints the version.

    log_model.py URL NAME REFERENCE
"""

import sys

import mlflow
import pandas
from mlflow.models import infer_signature

URL, NAME, REFERENCE = sys.argv[1:]


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["income"] > 50


mlflow.set_tracking_uri(URL)
inputs = pandas.DataFrame({"income": [1.0, 2.0], "purpose": ["car", "home"]})
with mlflow.start_run():
    signature = infer_signature(inputs, [True, False])
    logged = mlflow.pyfunc.log_model(
        name="model", python_model=Model(), signature=signature, registered_model_name=NAME, pip_requirements=[]
    )
    mlflow.log_artifact(REFERENCE, "tidegauge")
print(logged.registered_model_version)
