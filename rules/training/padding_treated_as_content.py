from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import Context, Edit, Example, Finding, Module, Rule, Safety, walk

GIVEN = """\
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("gpt2")
"""
_TOKENIZER = "transformers.PreTrainedTokenizerBase"
_MODEL = "transformers.PreTrainedModel"
_COPYING = frozenset("clone copy detach contiguous to".split())
# Labels that are assigned, ids that are given to a call as they are, and generation: a look at the text, to begin with.
_USED = r"""labels['"]\]\s*=|\(\s*(?:input_ids=)?\w+(?:\.input_ids|\[['"]input_ids['"]\])\s*[,)]|\.generate\("""
# Whoever writes one of these takes the padding out of the loss, or has it taken out.
_MASKING = (
    "-100",
    "ignore_index",
    "DataCollatorForLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForCompletion",
    "masked_fill",
    "loss_mask",
    "label_pad",
)


class PaddingTreatedAsContent(Rule):
    """Padding goes into the loss or is attended to as if it were text.

    ## Why
    A batch of texts is padded to one length. Labels that are a copy of `input_ids` make the model predict padding: the
    loss is a mean over pad tokens too, and falls because they are easy. A model that is given `input_ids` without the
    `attention_mask` of its tokenizer attends to the padding: the output of a text then depends on how long the others
    in its batch are. A decoder that continues a batch that is padded on the right continues the padding.

    ## Fix safety
    Unsafe: what the model computes changes, as intended. The mask is passed on by `**`; labels are reported only.

    ## Known limits
    Only tokenizers and models of Transformers that are made in sight, and results of calls with a literal `padding`.

    ## References
    - Transformers documentation, "Padding and truncation"; "Text generation", section "Common pitfalls", "Wrong padding
      side"; `DataCollatorForLanguageModeling`.
    """

    code, name = "ML425", "padding-treated-as-content"
    libraries = ("transformers",)
    words = ("padding=True", 'padding="', "padding='")
    safety = Safety.UNSAFE
    triggers = (Module(),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        text = ctx.source.text
        if re.search(_USED, text) is None:
            return
        masked = any(word in text for word in _MASKING)
        for call in ctx.tree.calls:
            if not any(_is_padding(keyword) for keyword in call.keywords):
                continue
            name = self._bound(call, ctx)
            uses = [] if name is None else list(self._uses(name, call, ctx))
            if name is None or not uses or not self._pads(call, ctx):
                continue  # what is used is looked at before anyone asks whether it is of a tokenizer
            for use in uses:
                if isinstance(use, ast.Call):
                    yield from self._unmasked(use, name, call, ctx)
                elif not masked:
                    yield from self._labels(use, name, ctx)

    def _uses(self, name: str, made: ast.Call, ctx: Context) -> Iterator[ast.Assign | ast.Call]:
        """The assignments of labels, and the calls, to which padded ids go after they are made."""
        scope: ast.AST = ctx.tree.function(made) or ctx.tree.module
        line = ctx.tree.statement(made).lineno
        for inner in walk(scope):
            if isinstance(inner, ast.Assign):
                if inner.lineno > line and self._is_ids(inner.value, name):
                    yield inner
            elif isinstance(inner, ast.Call) and inner.lineno > line and self._is_use(inner, name):
                yield inner

    def _is_use(self, call: ast.Call, name: str) -> bool:
        """Whether a call is given padded ids alone, or generates from all of them."""
        if any(keyword.arg == "attention_mask" for keyword in call.keywords):
            return False
        if isinstance(call.func, ast.Attribute) and call.func.attr == "generate":
            if any(keyword.arg is None and _is_name(keyword.value, name) for keyword in call.keywords):
                return True
        given = [keyword.value for keyword in call.keywords if keyword.arg == "input_ids"] or call.args
        return len(given) == 1 and not isinstance(given[0], ast.Call) and self._is_ids(given[0], name)

    def _pads(self, call: ast.Call, ctx: Context) -> bool:
        """Whether a call is of a tokenizer, and pads several texts, or one to a fixed length."""
        if not ctx.is_a(call.func, _TOKENIZER) or ctx.open_ended(call):
            return False
        padding = next(keyword.value for keyword in call.keywords if keyword.arg == "padding")
        if isinstance(padding, ast.Constant) and padding.value == "max_length":
            return True
        texts = call.args[0] if call.args else None
        if isinstance(texts, ast.List):
            return len(texts.elts) > 1
        return isinstance(texts, (ast.Name, ast.Subscript, ast.Attribute, ast.ListComp)) and not ctx.is_a(texts, "str")

    def _bound(self, call: ast.Call, ctx: Context) -> str | None:
        """The name of what a tokenizer gives."""
        value: ast.expr = call
        parent = ctx.tree.parent(call)
        if isinstance(parent, ast.Attribute) and parent.attr == "to":
            outer = ctx.tree.parent(parent)
            if isinstance(outer, ast.Call):
                value, parent = outer, ctx.tree.parent(outer)
        if isinstance(parent, ast.Assign) and parent.value is value and len(parent.targets) == 1:
            target = parent.targets[0]
            return target.id if isinstance(target, ast.Name) else None
        return None

    def _is_ids(self, node: ast.expr | None, name: str) -> bool:
        """``enc["input_ids"]``, ``enc.input_ids``, and copies of it."""
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _COPYING:
            node = node.func.value
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            key = node.slice
            return node.value.id == name and isinstance(key, ast.Constant) and key.value == "input_ids"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr == "input_ids" and node.value.id == name
        return False

    def _labels(self, statement: ast.Assign, name: str, ctx: Context) -> Iterator[Finding]:
        target = statement.targets[0]
        if len(statement.targets) != 1 or not isinstance(target, ast.Subscript):
            return
        if isinstance(target.slice, ast.Constant) and target.slice.value == "labels":
            if self._is_ids(statement.value, name):
                yield ctx.finding(
                    statement,
                    "the labels are the padded `input_ids`: the loss is a mean over padding as well",
                    "set the labels of the padding to -100, or use `DataCollatorForLanguageModeling`",
                )

    def _unmasked(self, node: ast.Call, name: str, made: ast.Call, ctx: Context) -> Iterator[Finding]:
        func = node.func
        generates = isinstance(func, ast.Attribute) and func.attr == "generate"
        model = func.value if generates and isinstance(func, ast.Attribute) else func
        if not ctx.is_a(model, _MODEL) or self._rebound(name, node, made, ctx):
            return
        if any(isinstance(keyword.value, ast.Name) and keyword.arg is None for keyword in node.keywords):
            if generates and self._padded_right(model, made, ctx):
                yield ctx.finding(
                    node,
                    f"`{ctx.short(model)}` continues texts that are padded on the right, and so the padding",
                    'use `padding_side="left"` for generation',
                )
            return
        if ctx.open_ended(node) or any(keyword.arg == "attention_mask" for keyword in node.keywords):
            return
        if generates and "pad_token = tokenizer.eos_token" not in ctx.source.text:
            return  # `generate` infers the mask where padding cannot be the end of a text
        keyword = next((keyword for keyword in node.keywords if keyword.arg == "input_ids"), None)
        ids = keyword.value if keyword is not None else node.args[0] if len(node.args) == 1 else None
        if ids is None or not self._is_ids(ids, name) or isinstance(ids, ast.Call):
            return

        def build() -> Edit:
            rest = [other for other in node.keywords if other is not keyword]
            if rest:
                return ctx.edits.replace(node, f"$f($*rest, **{name})", f=func, rest=rest)
            return ctx.edits.replace(node, f"$f(**{name})", f=func)

        yield ctx.finding(
            node,
            f"the `attention_mask` of `{name}` is left out: `{ctx.short(model)}` attends to the padding",
            f"pass `**{name}`",
            ctx.fix(build, Safety.UNSAFE, f"Pass `**{name}`"),
        )

    def _rebound(self, name: str, node: ast.Call, made: ast.Call, ctx: Context) -> bool:
        """Whether a name stands for something else at a call."""
        bindings = ctx.reaching.at(ctx.tree.statement(node), name)
        return [binding.node for binding in bindings] != [ctx.tree.statement(made)]

    def _padded_right(self, model: ast.expr, made: ast.Call, ctx: Context) -> bool:
        """Whether a model only decodes, and the tokenizer is told to pad on the right."""
        decoders = [ctx.dotted(call.func) or "" for call in ctx.training.constructors(model)]
        if not decoders or not all("CausalLM" in name or "LMHead" in name for name in decoders):
            return False
        tokenizer = ast.unparse(made.func)
        for call in ctx.training.constructors(made.func):
            side = ctx.argument(call, "padding_side")
            if isinstance(side, ast.Constant) and side.value == "right":
                return f"{tokenizer}.padding_side" not in ctx.source.text
        return False

    examples = (
        Example(
            given=GIVEN,
            ok="""
model = AutoModel.from_pretrained("gpt2")

def embed(texts):
    enc = tokenizer(texts, padding=True, return_tensors="pt")
    return model(**enc).last_hidden_state, model(enc.input_ids, attention_mask=enc.attention_mask)

def one(text: str):
    enc = tokenizer("a text", return_tensors="pt")
    return model(enc.input_ids)
""",
        ),
        Example(
            given=GIVEN,
            ok="""
def encode(examples):
    enc = tokenizer(examples["text"], padding="max_length", truncation=True)
    enc["labels"] = [[-100 if t == tokenizer.pad_token_id else t for t in ids] for ids in enc["input_ids"]]
    return enc

def unpadded(examples):
    enc = tokenizer(examples["text"], truncation=True)
    enc["labels"] = enc["input_ids"].copy()
    return enc
""",
        ),
        Example(
            given=GIVEN + "from transformers import DataCollatorForLanguageModeling\n",
            ok="""
def encode(examples):
    enc = tokenizer(examples["text"], padding="max_length", truncation=True)
    enc["labels"] = enc["input_ids"].copy()
    return enc

collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
""",
            note="the collator makes the labels anew",
        ),
        Example(
            given=GIVEN,
            bad="""
def encode(examples):
    enc = tokenizer(examples["text"], padding="max_length", truncation=True)
    enc["labels"] = enc["input_ids"].copy()
    return enc
""",
        ),
        Example(
            given=GIVEN,
            bad="""
model = AutoModel.from_pretrained("bert-base-uncased")

def embed(texts):
    enc = tokenizer(texts, padding=True, return_tensors="pt").to("cuda")
    return model(enc["input_ids"], output_hidden_states=True)[0]  # all layers
""",
            good="""
model = AutoModel.from_pretrained("bert-base-uncased")

def embed(texts):
    enc = tokenizer(texts, padding=True, return_tensors="pt").to("cuda")
    return model(output_hidden_states=True, **enc)[0]  # all layers
""",
        ),
        Example(
            given=GIVEN + "tokenizer.pad_token = tokenizer.eos_token\n",
            bad="""
model = AutoModelForCausalLM.from_pretrained("gpt2")

def complete(prompts):
    enc = tokenizer(prompts, padding=True, return_tensors="pt")
    return model.generate(input_ids=enc.input_ids, max_new_tokens=20)
""",
            good="""
model = AutoModelForCausalLM.from_pretrained("gpt2")

def complete(prompts):
    enc = tokenizer(prompts, padding=True, return_tensors="pt")
    return model.generate(max_new_tokens=20, **enc)
""",
        ),
        Example(
            given="from transformers import AutoModelForCausalLM, AutoTokenizer\n",
            bad="""
tok = AutoTokenizer.from_pretrained("gpt2", padding_side="right")
model = AutoModelForCausalLM.from_pretrained("gpt2")

def complete(prompts):
    batch = tok(prompts, padding=True, return_tensors="pt")
    return model.generate(**batch, max_new_tokens=20)
""",
        ),
    )


def _is_padding(keyword: ast.keyword) -> bool:
    """``padding=True``, ``padding="longest"``, ``padding="max_length"``."""
    value = keyword.value if keyword.arg == "padding" else None
    return isinstance(value, ast.Constant) and (value.value is True or value.value in ("longest", "max_length"))


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
