"""Fine-tunes a Llama of given sizes by PEFT and PyTorch, and says how long it took.

A process of its own, under the Python that has peft: it reads one line of JSON, the
model and its dialogues, and then answers every further line with the seconds of one
adaptation from the same start, of which the first is a warm-up.
"""

import json
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

PROJECTIONS = [
    *("q_proj", "k_proj", "v_proj", "o_proj"),
    *("gate_proj", "up_proj", "down_proj"),
]


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    torch.manual_seed(0)
    torch.set_num_threads(asked["threads"])
    model = LlamaForCausalLM(LlamaConfig(**asked["model"], use_cache=False))
    layers = asked["model"]["num_hidden_layers"]
    model = get_peft_model(
        model,
        LoraConfig(
            r=asked["rank"],
            lora_alpha=asked["rank"],
            target_modules=PROJECTIONS,
            layers_to_transform=list(range(layers - asked["blocks"], layers)),
        ),
    )
    batch = {key: torch.tensor(rows) for key, rows in asked["batch"].items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in trained]
    size = sum(p.numel() for p in trained)
    print(json.dumps({"trained": size}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        with torch.no_grad():
            for parameter, value in zip(trained, start, strict=True):
                parameter.copy_(value)
        optimizer = torch.optim.Adam(trained, asked["rate"])
        model.train()
        for _ in range(asked["steps"]):
            loss = model(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
