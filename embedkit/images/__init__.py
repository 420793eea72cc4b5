"""Pictures as vectors: autoencoders trained in steps, classifiers, and what each of their vectors is good for."""

import embedkit.images.encoding  # registers how new things are read
import embedkit.images.methods  # noqa: F401  # registers them
from embedkit.images.autoencoder import Autoencoder, Recipe, Step, train
from embedkit.images.measures import Pca, fit_pca, kept_pca, knn_accuracy, mean_squared_error, pca_key
from embedkit.images.source import Source, examples, keep_own, label_columns, load_source
from embedkit.images.training import (
    KEPT,
    Figures,
    Trained,
    figures_of,
    kept_epochs,
    kept_steps,
    request_training,
    train_task,
    trained_at,
    training_key,
)

__all__ = [
    "KEPT",
    "Autoencoder",
    "Figures",
    "Pca",
    "Recipe",
    "Source",
    "Step",
    "Trained",
    "examples",
    "figures_of",
    "fit_pca",
    "keep_own",
    "kept_epochs",
    "kept_pca",
    "kept_steps",
    "knn_accuracy",
    "label_columns",
    "load_source",
    "mean_squared_error",
    "pca_key",
    "request_training",
    "train",
    "train_task",
    "trained_at",
    "training_key",
]
