"""Language models with random weights, in the real format of each family, made on the spot.

The templates are written anew: they render what those of the families do.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import rxvoice.offline

_WORDS = 300  # tokens, beside those with a meaning

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# A reply is written after an empty thought, which is not there once it belongs to the past.
QWEN3_5 = CHATML.replace(
    "assistant\n{% endif",
    "assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}{% endif",
)
LFM2 = "{{ bos_token }}" + CHATML
GEMMA3 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set first = messages[0].content + '\n\n' %}{% set rest = messages[1:] %}"
    "{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ first if loop.first else '' }}{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
GEMMA2 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL7 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "[SYSTEM_PROMPT]{{ messages[0].content }}[/SYSTEM_PROMPT]{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}"
    "{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "{% for m in rest %}"
    "{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]"
    "{% elif m.role == 'tool' %}"
    '[TOOL_RESULTS]{"content": {{ m.content | tojson }}, "call_id": "{{ m.tool_call_id }}"}'
    "[/TOOL_RESULTS]"
    "{% elif m.tool_calls %}[TOOL_CALLS][{% for call in m.tool_calls %}"
    "{% if call.id | length != 9 %}{{ raise_exception('ids of nine characters') }}{% endif %}"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}, '
    '"id": "{{ call.id }}"}{{ "" if loop.last else ", " }}{% endfor %}]{{ eos_token }}'
    "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('Only user, system, assistant and tool roles') }}{% endif %}"
    "{% endfor %}"
)
SMOLLM3 = (
    "{% set mode = '/no_think' if enable_thinking is false else '/think' %}"
    "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\n"
    "Today Date: {{ strftime_now('%d %B %Y') }}\nReasoning Mode: {{ mode }}\n\n"
    "## Custom Instructions\n\n"
    "{% if messages[0].role == 'system' %}{{ messages[0].content.rstrip() }}"
    "{% else %}You are a helpful AI assistant.{% endif %}{{ '\n\n' }}<|im_end|>\n"
    "{% for m in messages %}"
    "{% if m.role == 'user' %}<|im_start|>user\n{{ m.content }}<|im_end|>\n"
    "{% elif m.role == 'assistant' %}<|im_start|>assistant\n"
    "{{ '<think>\n\n</think>\n' if mode == '/no_think' else '' }}"
    "{{ m.content.lstrip('\n') }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{{ '<think>\n\n</think>\n' if mode == '/no_think' else '' }}{% endif %}"
)
# The mark that asks for a reply comes with the question, whether it is wanted or not.
PHI4 = (
    "{% for m in messages %}"
    "{% if m.role == 'system' %}<|im_start|>system<|im_sep|>{{ m.content }}<|im_end|>"
    "{% elif m.role == 'user' %}<|im_start|>user<|im_sep|>{{ m.content }}<|im_end|>"
    "<|im_start|>assistant<|im_sep|>"
    "{% elif m.role == 'assistant' %}{{ m.content }}<|im_end|>{% endif %}{% endfor %}"
)
GPT_OSS = (
    "<|start|>system<|message|>You are ChatGPT.\nReasoning: {{ reasoning_effort or 'medium' }}\n\n"
    "# Valid channels: analysis, commentary, final.<|end|>"
    "{% set rest = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% if messages[0].role == 'system' or tools %}<|start|>developer<|message|>"
    "{% if messages[0].role == 'system' %}# Instructions\n\n{{ messages[0].content }}{% endif %}"
    "{% if tools %}\n\n# Tools\n\n## functions\n\nnamespace functions {\n"
    "{% for tool in tools %}type {{ tool.function.name }} = () => any;\n{% endfor %}}{% endif %}"
    "<|end|>{% endif %}"
    "{% set last = namespace(name=none) %}"
    "{% for m in rest %}"
    "{% if m.role == 'assistant' %}"
    "{% if '<|channel|>analysis<|message|>' in m.content or "
    "'<|channel|>final<|message|>' in m.content %}"
    "{{ raise_exception('You have passed a message containing <|channel|> tags') }}{% endif %}"
    "{% if m.tool_calls %}{% set call = m.tool_calls[0].function %}{% set last.name = call.name %}"
    "<|start|>assistant to=functions.{{ call.name }}<|channel|>commentary json<|message|>"
    "{{ call.arguments | tojson }}<|call|>"
    "{% else %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>"
    "{% set last.name = none %}{% endif %}"
    "{% elif m.role == 'tool' %}{% if last.name is none %}"
    "{{ raise_exception('Message has tool role, but there was no previous tool call') }}{% endif %}"
    "<|start|>functions.{{ last.name }} to=assistant<|channel|>commentary<|message|>"
    "{{ m.content | tojson }}<|end|>"
    "{% else %}<|start|>user<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)

_IM = ["<|im_end|>", "<|im_start|>"]
_THINK = ["<think>", "</think>"]
_GEMMA = ["<end_of_turn>", "<start_of_turn>", "<bos>"]
_HARMONY = ["<|return|>", "<|call|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>"]


@dataclass(frozen=True)
class Family:
    """A family of mlx-lm, with the smallest model of it.

    Attributes:
        marks: its tokens with a meaning; the first ends a reply.
        ends: how many of these end a reply.
    """

    template: str
    marks: list[str]
    config: dict[str, Any] = field(default_factory=dict)
    ends: int = 1


_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 4096,
}
_LFM2 = {k: v for k, v in _SIZES.items() if k not in ("intermediate_size", "rms_norm_eps")}

FAMILIES: dict[str, Family] = {
    # A state, and attention in every other layer
    "qwen3_5": Family(
        QWEN3_5, [*_IM, *_THINK],
        {
            "text_config": {
                **_SIZES, "model_type": "qwen3_5_text", "head_dim": 8, "linear_num_value_heads": 4,
                "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
                "linear_conv_kernel_dim": 4, "full_attention_interval": 2,
                "tie_word_embeddings": True,
            },
        },
    ),
    # Convolutions
    "lfm2": Family(
        LFM2, [*_IM, "<|startoftext|>"],
        {
            **_LFM2, "norm_eps": 1e-5, "conv_bias": False, "conv_L_cache": 3, "block_dim": 32,
            "block_ff_dim": 64, "block_multiple_of": 8, "block_ffn_dim_multiplier": 1.0,
            "block_auto_adjust_ff_dim": False, "full_attn_idxs": [1, 3],
        },
    ),
    # Windows in half of the layers
    "gemma3_text": Family(
        GEMMA3, _GEMMA,
        {**_SIZES, "head_dim": 8, "sliding_window": 24, "sliding_window_pattern": 2,
         "query_pre_attn_scalar": 8},
    ),
    "gpt_oss": Family(
        GPT_OSS, _HARMONY,
        {
            **_SIZES, "head_dim": 8, "sliding_window": 24, "num_local_experts": 2,
            "num_experts_per_tok": 1,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
        ends=2,
    ),
    # A state beside attention in each layer
    "falcon_h1": Family(
        CHATML, _IM,
        {
            **_SIZES, "head_dim": 8, "mamba_d_ssm": 32, "mamba_d_state": 8, "mamba_n_heads": 4,
            "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 1,
        },
    ),
    # These keep all that they were given
    "qwen3": Family(
        QWEN3_5, [*_IM, *_THINK], {**_SIZES, "head_dim": 8, "tie_word_embeddings": True}
    ),
    "qwen3_moe": Family(
        CHATML, _IM,
        {
            **_SIZES, "head_dim": 8, "tie_word_embeddings": False, "num_experts": 4,
            "num_experts_per_tok": 2, "decoder_sparse_step": 1, "mlp_only_layers": [],
            "moe_intermediate_size": 32, "norm_topk_prob": True,
        },
    ),
    "gemma2": Family(GEMMA2, _GEMMA, {**_SIZES, "head_dim": 8, "query_pre_attn_scalar": 8}),
    "mistral": Family(
        MISTRAL7,
        ["</s>", "<s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"],
        {**_SIZES, "head_dim": 8},
    ),
    "smollm3": Family(SMOLLM3, [*_IM, *_THINK], {**_SIZES, "no_rope_layer_interval": 2}),
    "phi3": Family(PHI4, [*_IM, "<|im_sep|>"], _SIZES),
}  # fmt: skip

CANNOT_BE_CUT = ("qwen3_5", "lfm2", "gemma3_text", "gpt_oss", "falcon_h1")
"""Those whose caches cannot be cut, or not for long."""


def make(family: str, path: Path, **changes: Any) -> Path:
    """Write a model of this family into the directory, in float32, and return it.

    Args:
        changes: of its config.
    """
    shape = FAMILIES[family]
    path.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_str(_tokenizer(tuple(shape.marks)))
    tokenizer.save(str(path / "tokenizer.json"))
    ends = [tokenizer.token_to_id(it) for it in shape.marks[: shape.ends]]
    config = {
        **shape.config, "model_type": family, "vocab_size": tokenizer.get_vocab_size(),
        "eos_token_id": ends, "torch_dtype": "float32", **changes,
    }  # fmt: skip
    if "text_config" in config:
        config["text_config"] = {**config["text_config"], "vocab_size": config["vocab_size"]}
    (path / "config.json").write_text(json.dumps(config))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": shape.marks[0],
        "bos_token": next((it for it in shape.marks if it in ("<s>", "<bos>")), "<|startoftext|>"),
        "clean_up_tokenization_spaces": False,
        "chat_template": shape.template,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    module = importlib.import_module(f"mlx_lm.models.{'llama' if family == 'mistral' else family}")
    mx.random.seed(7)
    model = module.Model(module.ModelArgs.from_dict(config))
    # Larger weights: else it says the same whatever it was told.
    small = ("norm", "A_log", "dt_bias", ".D", "sinks")
    weights = {
        k: v if any(it in k for it in small) else 3 * v for k, v in tree_flatten(model.parameters())
    }
    mx.save_safetensors(str(path / "model.safetensors"), weights, {"format": "mlx"})
    return path


@cache
def _tokenizer(marks: tuple[str, ...]) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_WORDS + len(marks),
        special_tokens=list(marks),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(rxvoice.offline.phrases()[:400], trainer)
    return tokenizer.to_str()
