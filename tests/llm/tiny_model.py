"""Makes a tiny language model of chance: a few hundred kilobytes, and it talks nonsense, a letter a token.

``python tiny_model.py FILE`` makes one that comes to an end by chance, ``python tiny_model.py FILE endless`` one that
does not. It runs in an environment that has the packages gguf and numpy.
"""

from __future__ import annotations

import sys
from typing import Any

SEED = 5
WIDTH, HEADS, LAYERS, HIDDEN = 64, 4, 2, 128
CONTEXT = 32_768
SPECIAL = ("<unk>", "<s>", "</s>")
UNKNOWN, CONTROL, BYTE, NORMAL = 2, 3, 6, 1
"""Kinds of tokens, as GGUF numbers them."""


def vocabulary() -> list[tuple[str, int]]:
    """What it can say: every byte, and every printable letter by itself."""
    letters = [chr(code) for code in range(33, 127)]
    special = [(name, UNKNOWN if name == "<unk>" else CONTROL) for name in SPECIAL]
    return [
        *special,
        *((f"<0x{byte:02X}>", BYTE) for byte in range(256)),
        *((each, NORMAL) for each in ["▁", *letters]),
    ]


def write(path: str, *, endless: bool) -> None:
    """Write the model."""
    import gguf
    import numpy as np

    chance = np.random.default_rng(SEED)
    tokens = vocabulary()

    def weights(*shape: int, spread: float = 0.3) -> Any:
        return chance.normal(0.0, spread, shape).astype(np.float32)

    said = weights(len(tokens), WIDTH, spread=1.0)
    said[[kind == BYTE or text in SPECIAL[: 3 if endless else 2] for text, kind in tokens]] = 0.0  # hardly ever said

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_tensor("token_embd.weight", weights(len(tokens), WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    writer.add_tensor("output.weight", said)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{norm}.weight", np.ones(WIDTH, dtype=np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}.{name}.weight", weights(WIDTH, WIDTH))
        writer.add_tensor(f"{block}.ffn_gate.weight", weights(HIDDEN, WIDTH))
        writer.add_tensor(f"{block}.ffn_up.weight", weights(HIDDEN, WIDTH))
        writer.add_tensor(f"{block}.ffn_down.weight", weights(WIDTH, HIDDEN))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1], endless="endless" in sys.argv[2:])
