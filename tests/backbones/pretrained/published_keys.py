"""Names and shapes of the released state dicts, written down from the releases and not from this package."""

from __future__ import annotations

from collections.abc import Iterator

Shape = tuple[int, ...]
D, C, P, SIDE, N, K = 32, 4, 2, 8, 16, 4
INNER, RANK, L = 2 * D, 2, (SIDE // P) ** 2
DEPTH = 4
CLASSES, TOKENS, TEXT = 5, 3, 8


def linear(name: str, inputs: int, outputs: int, *, bias: bool = True) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def one_direction(name: str, suffix: str = "", index: str = "") -> Iterator[tuple[str, Shape]]:
    yield f"{name}.conv1d{suffix}{index}.weight", (INNER, 1, K)
    yield f"{name}.conv1d{suffix}{index}.bias", (INNER,)
    yield f"{name}.x_proj{suffix}{index}.weight", (RANK + 2 * N, INNER)
    yield from linear(f"{name}.dt_proj{suffix}{index}", RANK, INNER)
    log = f"{name}.A{suffix[:2]}_log{suffix[2:]}{index}"
    yield log, (INNER, N)
    yield f"{name}.D{suffix}{index}", (INNER,)


def mixer(name: str, *, backward: bool) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.in_proj.weight", (2 * INNER, D)
    yield from one_direction(name)
    if backward:
        yield from one_direction(name, "_b")
    yield f"{name}.out_proj.weight", (D, INNER)


def conditioned_shell() -> Iterator[tuple[str, Shape]]:
    """Yield the keys and shapes that ZigMa, DiT and SiT share."""
    yield "x_embedder.proj.weight", (D, C, P, P)
    yield "x_embedder.proj.bias", (D,)
    yield from linear("t_embedder.mlp.0", 256, D)
    yield from linear("t_embedder.mlp.2", D, D)
    yield "pos_embed", (1, L, D)


def zigma(*, backward: bool = False, text: bool = False, parallel: int = 0) -> dict[str, Shape]:
    keys = dict(conditioned_shell())
    for i in range(DEPTH):
        block = f"blocks.{i}"
        keys |= dict(mixer(f"{block}.mixer", backward=backward))
        for j in range(parallel):
            keys |= dict(one_direction(f"{block}.mixer", "_b_list", f".{j}"))
        if parallel:
            keys |= dict(one_direction(f"{block}.mixer", "_b"))
        keys[f"{block}.norm.weight"] = (D,)
        keys |= dict(linear(f"{block}.adaLN_modulation.1", D, (6 if text else 3) * D))
        if text:
            for part in "qkv":
                keys |= dict(linear(f"{block}.msa.to_{part}", D, 512, bias=False))
            keys |= dict(linear(f"{block}.msa.to_out.0", 512, D))
    if text:
        keys |= dict(linear("y_embedder", TEXT, D))
    keys["norm_f.weight"] = (D,)
    return keys | dict(linear("final_layer.linear", D, P * P * C))


def dit() -> dict[str, Shape]:
    """DiT's and SiT's: with a null class and learned sigma."""
    keys = {**dict(conditioned_shell()), "y_embedder.embedding_table.weight": (CLASSES + 1, D)}
    for i in range(DEPTH):
        block = f"blocks.{i}"
        keys |= dict(linear(f"{block}.attn.qkv", D, 3 * D))
        keys |= dict(linear(f"{block}.attn.proj", D, D))
        keys |= dict(linear(f"{block}.mlp.fc1", D, 4 * D))
        keys |= dict(linear(f"{block}.mlp.fc2", 4 * D, D))
        keys |= dict(linear(f"{block}.adaLN_modulation.1", D, 6 * D))
    keys |= dict(linear("final_layer.linear", D, P * P * 2 * C))
    return keys | dict(linear("final_layer.adaLN_modulation.1", D, 2 * D))


def halves() -> Iterator[tuple[str, bool]]:
    """Blocks of U-ViT's skeleton and whether they have a skip."""
    for i in range(DEPTH // 2):
        yield f"in_blocks.{i}", False
    yield "mid_block", False
    for i in range(DEPTH // 2):
        yield f"out_blocks.{i}", True


def u_vit(*, classes: int = 0, text: bool = False) -> dict[str, Shape]:
    extras = 1 + (classes > 0) + (TOKENS if text else 0)
    keys: dict[str, Shape] = {"pos_embed": (1, extras + L, D)}
    keys |= {"patch_embed.proj.weight": (D, C, P, P), "patch_embed.proj.bias": (D,)}
    if classes:
        keys["label_emb.weight"] = (classes, D)
    if text:
        keys |= dict(linear("context_embed", TEXT, D))
    for block, skip in halves():
        for norm in ("norm1", "norm2"):
            keys |= {f"{block}.{norm}.weight": (D,), f"{block}.{norm}.bias": (D,)}
        keys |= dict(linear(f"{block}.attn.qkv", D, 3 * D, bias=False))
        keys |= dict(linear(f"{block}.attn.proj", D, D))
        keys |= dict(linear(f"{block}.mlp.fc1", D, 4 * D))
        keys |= dict(linear(f"{block}.mlp.fc2", 4 * D, D))
        if skip:
            keys |= dict(linear(f"{block}.skip_linear", 2 * D, D))
    keys |= {"norm.weight": (D,), "norm.bias": (D,)}
    keys |= dict(linear("decoder_pred", D, P * P * C))
    return keys | {"final_layer.weight": (C, C, 3, 3), "final_layer.bias": (C,)}


def dis() -> dict[str, Shape]:
    keys: dict[str, Shape] = {"pos_embed": (1, 2 + L, D), "label_emb.embedding_table.weight": (CLASSES + 1, D)}
    keys |= {"patch_embed.proj.weight": (D, C, P, P), "patch_embed.proj.bias": (D,)}
    keys |= dict(linear("time_embed.0", D, 4 * D))
    keys |= dict(linear("time_embed.2", 4 * D, D))
    for block, skip in halves():
        keys |= dict(mixer(f"{block}.mixer", backward=True))
        keys[f"{block}.norm.weight"] = (D,)
        if skip:
            keys |= dict(linear(f"{block}.skip_linear", 2 * D, D))
    keys["norm_f.weight"] = (D,)
    keys |= dict(linear("final_layer.linear", D, P * P * 2 * C))
    return keys | dict(linear("final_layer.adaLN_modulation.1", D, 2 * D))


def vim() -> dict[str, Shape]:
    keys: dict[str, Shape] = {"cls_token": (1, 1, D), "pos_embed": (1, 197, D), "norm_f.weight": (D,)}
    keys |= {"patch_embed.proj.weight": (D, 3, 16, 16), "patch_embed.proj.bias": (D,)}
    for i in range(DEPTH):
        keys |= dict(mixer(f"layers.{i}.mixer", backward=True))
        keys[f"layers.{i}.norm.weight"] = (D,)
    return keys | dict(linear("head", D, 1000))
