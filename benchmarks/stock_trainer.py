"""LoRA with transformers' Trainer and peft, as a user would write it: the yardstick of ``finetuning_speed.py``.

Prints one JSON document: training seconds, CPU seconds, accuracy, peak memory.
"""

import argparse
import json
import resource
import time

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch.utils.data import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments


class Rows(Dataset):
    """Tokenized rows; the collator pads each batch to its longest."""

    def __init__(self, frame: pd.DataFrame, tokenizer, classes: list[str], max_tokens: int) -> None:
        self.tokens = tokenizer(list(frame["text"]), truncation=True, max_length=max_tokens)
        self.labels = [classes.index(label) for label in frame["label"]]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        return {key: values[index] for key, values in self.tokens.items()} | {"labels": self.labels[index]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train, test = pd.read_csv(arguments.train), pd.read_csv(arguments.test)
    classes = sorted(train["label"].unique())
    tokenizer = AutoTokenizer.from_pretrained(arguments.backbone)
    torch.manual_seed(arguments.seed)
    model = AutoModelForSequenceClassification.from_pretrained(arguments.backbone, num_labels=len(classes))
    model = get_peft_model(
        model, LoraConfig(TaskType.SEQ_CLS, r=8, lora_alpha=16, lora_dropout=0.1, target_modules=["query", "value"])
    )
    settings = TrainingArguments(
        "trainer", per_device_train_batch_size=16, per_device_eval_batch_size=64, num_train_epochs=arguments.epochs,
        learning_rate=arguments.learning_rate, weight_decay=0.01, warmup_steps=0.1, seed=arguments.seed, save_strategy="no",
        report_to="none", disable_tqdm=True, logging_strategy="no", dataloader_pin_memory=False,
    )  # fmt: skip
    wall, cpu = time.perf_counter(), time.process_time()
    trainer = Trainer(
        model, settings, train_dataset=Rows(train, tokenizer, classes, arguments.max_tokens),
        data_collator=DataCollatorWithPadding(tokenizer),
    )  # fmt: skip
    trainer.train()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = Rows(test, tokenizer, classes, arguments.max_tokens)
    said = trainer.predict(rows).predictions.argmax(axis=1)
    print(
        json.dumps({
            "seconds": wall, "cpu_seconds": cpu, "accuracy": float(np.mean(said == np.array(rows.labels))), "rows": len(rows),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
