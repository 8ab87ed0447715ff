"""Hand-written loops of the entries that write texts and paint images, and of the one that learns from its writing."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.tasks.flow_matching import noise_levels
from cupel.tasks.models.flux import latents_of
from interleaved import Step


@torch.no_grad()
def written(model: Any, prompts: Tensor, num_new: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
    """Prompts and what follows, a token at a time, with the library's own growing cache."""
    texts, fresh, cache = prompts, prompts, None
    for _ in range(num_new):
        out = model(input_ids=fresh, past_key_values=cache, use_cache=True, logits_to_keep=1)
        fresh, cache = choose(out.logits[:, -1]), out.past_key_values
        texts = torch.cat([texts, fresh], dim=1)
    return texts


def llama_generate(entry: Any, sizes: Any) -> Step:
    """Drawn from the likeliest, texts as long as asked (the library's `generate` is slower than this loop)."""
    model = entry.build_model(sizes)
    prompts = torch.randint(sizes.vocab_size, (sizes.batch, sizes.prompt))

    def draw(logits: Tensor) -> Tensor:
        best, ids = logits.topk(sizes.top, dim=-1)
        return ids.gather(1, torch.multinomial(best.softmax(dim=-1), 1))

    def step() -> float:
        written(model, prompts, sizes.new, draw)
        return float(sizes.batch * sizes.new)

    return step


def mixtral(entry: Any, sizes: Any) -> Step:
    """The likeliest token each time, in bf16."""
    model = entry.build_model(sizes)
    prompts = torch.randint(sizes.vocab_size, (sizes.batch, sizes.prompt))

    def step() -> float:
        written(model, prompts, sizes.written, lambda logits: logits.argmax(dim=-1, keepdim=True))
        return float(sizes.batch * sizes.written)

    return step


def rlhf(entry: Any, sizes: Any) -> Step:
    """Write, let four networks read, reward and advantages token by token, passes of PPO over the texts."""
    model = entry.build_model(sizes)
    writer, judge = model.writer, model.judge
    reference, reward = (copy.deepcopy(part).requires_grad_(False) for part in (writer, judge))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-6)
    prompts = torch.randint(sizes.vocab_size, (sizes.batch, sizes.prompt))
    response = slice(sizes.prompt - 1, -1)

    def log_probs(network: Any, texts: Tensor) -> Tensor:
        logits: Tensor = network(input_ids=texts).logits[:, response] / 0.7
        return logits.log_softmax(dim=-1).gather(2, texts[:, sizes.prompt :, None]).squeeze(2)

    def draw(logits: Tensor) -> Tensor:
        return torch.multinomial((logits / 0.7).softmax(dim=-1), 1)

    @torch.no_grad()
    def experience() -> tuple[Tensor, ...]:
        texts = written(writer, prompts, sizes.new, draw)
        old, values = log_probs(writer, texts), judge(texts)[:, response]
        rewards = -0.05 * (old - log_probs(reference, texts))
        rewards[:, -1] += reward(texts)[:, -1]
        advantages, later = torch.zeros_like(rewards), torch.zeros(sizes.batch)
        for place in reversed(range(sizes.new)):
            following = values[:, place + 1] if place + 1 < sizes.new else 0.0
            later = rewards[:, place] + following - values[:, place] + 0.95 * later
            advantages[:, place] = later
        return texts, old, advantages, advantages + values

    def step() -> float:
        texts, old, advantages, returns = experience()
        normed = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        for _ in range(sizes.epochs):
            ratio = (log_probs(writer, texts) - old).exp()
            policy_loss = -torch.min(ratio * normed, ratio.clamp(0.8, 1.2) * normed).mean()
            value_loss = F.mse_loss(judge(texts)[:, response], returns)
            optimizer.zero_grad()
            backward(policy_loss + 0.1 * value_loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return float(sizes.batch * sizes.new)

    return step


def flux_txt2img(entry: Any, sizes: Any) -> Step:
    """Noise, Euler steps along the flow with the guidance of the model, and the decoder."""
    model, decode = entry.build_model(sizes), entry.build_decoder(sizes)
    side = sizes.image_px // 16
    words = torch.randn(sizes.batch, sizes.num_words, sizes.word_dim)
    prompt = torch.randn(sizes.batch, sizes.prompt_dim)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1).float()
    levels = torch.tensor(noise_levels(sizes.num_steps, num_tokens=side * side))

    @torch.no_grad()
    def step() -> float:
        x = torch.randn(sizes.batch, side * side, 64)
        for level, lower in itertools.pairwise(levels):
            velocity = model.net(
                hidden_states=x,
                encoder_hidden_states=words,
                pooled_projections=prompt,
                timestep=level.expand(sizes.batch),
                guidance=torch.full((sizes.batch,), 3.5),
                img_ids=places,
                txt_ids=torch.zeros(sizes.num_words, 3),
            ).sample
            x = x + (lower - level) * velocity
        images = (decode(latents_of(x)) / 2 + 0.5).clamp(0, 1)
        return len(images)

    return step


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "rlhf": rlhf,
    "llama_generate": llama_generate,
    "mixtral": mixtral,
    "flux_txt2img": flux_txt2img,
}
