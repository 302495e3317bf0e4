"""A tiny Llama as a GGUF file, written by the gguf package."""

import gguf
import numpy as np

LAYERS, WIDTH, HEADS, KEY_HEADS, MIDDLE = 2, 16, 4, 2, 24
EPSILON, WAVELENGTH = 1e-5, 1000.0
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "Ġ Ġ", "o r"]
CHATML = (
    "{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}"
    "{{ '<|im_start|>' + role + '\n' + content + '<|im_end|>\n' }}"
)


def byte_letters():
    """GPT-2's letters for the 256 bytes, in the order of the bytes."""
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


def vocabulary():
    return CONTROL + byte_letters() + [merge.replace(" ", "") for merge in MERGES]


def tensors(seed=0, tied=True):
    """Random weights by their GGUF names, rows of queries and keys unpermuted."""
    rng = np.random.default_rng(seed)
    head = WIDTH // HEADS
    shapes = {"token_embd": (len(vocabulary()), WIDTH), "output_norm": (WIDTH,)}
    if not tied:
        shapes["output"] = shapes["token_embd"]
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_norm": (WIDTH,),
            f"blk.{layer}.attn_q": (WIDTH, WIDTH),
            f"blk.{layer}.attn_k": (KEY_HEADS * head, WIDTH),
            f"blk.{layer}.attn_v": (KEY_HEADS * head, WIDTH),
            f"blk.{layer}.attn_output": (WIDTH, WIDTH),
            f"blk.{layer}.ffn_norm": (WIDTH,),
            f"blk.{layer}.ffn_gate": (MIDDLE, WIDTH),
            f"blk.{layer}.ffn_up": (MIDDLE, WIDTH),
            f"blk.{layer}.ffn_down": (WIDTH, MIDDLE),
        }
    return {
        name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()
    }


def write_llama(path, weights, *, architecture="llama", template=CHATML, pre="smollm"):
    """Writes the file as llama.cpp's converter does, queries and keys permuted."""
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(MIDDLE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(WAVELENGTH)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(vocabulary())
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(2)
    if template:
        writer.add_chat_template(template)
    for name, values in weights.items():
        for part, heads in (("attn_q", HEADS), ("attn_k", KEY_HEADS)):
            if name.endswith(part):
                halves = values.reshape(heads, 2, -1, values.shape[1])
                values = halves.swapaxes(1, 2).reshape(values.shape)
        writer.add_tensor(f"{name}.weight", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama_logits(weights, ids, *, heads, key_heads, epsilon, wavelength, pairs=False):
    """A Llama in NumPy: logits [length, words] for ids [length].

    Args:
        pairs: Whether neighbouring rows are rotated, as they lie in the file, and not
            halves.
    """

    def normed(x, name):
        scale = weights[name].astype("float64")
        return x / np.sqrt(np.mean(x**2, -1, keepdims=True) + epsilon) * scale

    def product(x, name):
        return x @ weights[name].T.astype("float64")

    def rotated(x):  # [length, heads, head]
        half = x.shape[-1] // 2
        angles = np.arange(len(x))[:, None] * wavelength ** (-np.arange(half) / half)
        turn = np.exp(1j * angles)[:, None]
        first, second = (
            (x[..., ::2], x[..., 1::2]) if pairs else (x[..., :half], x[..., half:])
        )
        turned = (first + 1j * second) * turn
        return np.concatenate([turned.real, turned.imag], -1)

    x = weights["token_embd"][ids].astype("float64")
    length, width = x.shape
    layers = sum(name.endswith("attn_q") for name in weights)
    for layer in range(layers):
        prefix = f"blk.{layer}."
        y = normed(x, prefix + "attn_norm")
        q, k, v = (product(y, f"{prefix}attn_{part}") for part in "qkv")
        q = rotated(q.reshape(length, heads, -1))
        k = rotated(k.reshape(length, key_heads, -1))
        v = v.reshape(length, key_heads, -1)
        together = []
        for head in range(heads):
            shared = head // (heads // key_heads)
            scores = q[:, head] @ k[:, shared].T / np.sqrt(width / heads)
            scores[np.triu_indices(length, 1)] = -np.inf
            odds = np.exp(scores - scores.max(-1, keepdims=True))
            together.append(odds / odds.sum(-1, keepdims=True) @ v[:, shared])
        x = x + product(np.concatenate(together, -1), prefix + "attn_output")
        y = normed(x, prefix + "ffn_norm")
        gate = product(y, prefix + "ffn_gate")
        gate = gate / (1 + np.exp(-gate)) * product(y, prefix + "ffn_up")
        x = x + product(gate, prefix + "ffn_down")
    output = "output" if "output" in weights else "token_embd"
    return product(normed(x, "output_norm"), output)
