"""Export: a trained model in the forms that ship, each reloaded and held against the model that was tested."""
