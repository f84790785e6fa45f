"""PPO-ptx in a loop of one's own, with plain transformers and torch: python own_loop.py SFT

`B` completions, `T` tokens of the longest prompt with its completion.
"""

import copy
import sys

import torch
from capitals import QUESTIONS, TEXTS
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from tutelage.core.advantages import gae, token_rewards, whiten
from tutelage.core.kl import AdaptiveKL, k1
from tutelage.core.logprobs import token_logprobs
from tutelage.core.losses import next_token_loss, policy_loss, value_loss
from tutelage.core.masks import spans_to_mask, weights

torch.manual_seed(0)
tokenizer, policy = AutoTokenizer.from_pretrained(sys.argv[1]), AutoModelForCausalLM.from_pretrained(sys.argv[1])
reference = copy.deepcopy(policy).requires_grad_(False)
critic, head = copy.deepcopy(policy.get_decoder()), nn.Linear(policy.config.hidden_size, 1)
both = nn.ModuleList([critic, head])
optimizer = torch.optim.AdamW([{"params": policy.parameters()}, {"params": both.parameters(), "lr": 2e-3}], lr=3e-4)
controller = AdaptiveKL(beta=0.05, target=2.0)


def encode(text):
    """Give ids [1, T]."""
    return tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids


def answers(question, count):
    """Sample completions, each up to its end token: rows of ids with the prompt before them."""
    prompt = encode(question + "\n")
    found = policy.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=True, max_new_tokens=8, num_return_sequences=count
    )
    ends = [(row[prompt.shape[1] :] == tokenizer.eos_token_id).nonzero()[:1].flatten().tolist() for row in found]
    return [row[: prompt.shape[1] + end[0] + 1] if end else row for row, end in zip(found, ends, strict=True)]


def logprobs(model, ids):
    """Score each token but the first, which nothing predicts: [B, T - 1] from [B, T]."""
    return token_logprobs(model(input_ids=ids).logits[:, :-1], ids[:, 1:])


def values(ids):
    """Give the value of the state before each token but the first: [B, T - 1]."""
    return head(critic(input_ids=ids).last_hidden_state[:, :-1]).squeeze(-1)


for step in range(20):
    with torch.no_grad():
        # Sample; what counts is the completion with its end token.
        asked = [question for question in QUESTIONS for _ in range(8)]
        rows = [row for question in QUESTIONS for row in answers(question, 8)]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        starts = torch.tensor([encode(question + "\n").shape[1] for question in asked])
        mask = spans_to_mask(starts, torch.tensor([len(row) for row in rows]), ids.shape[1])[:, 1:]
        texts = [
            tokenizer.decode(row[start:], skip_special_tokens=True) for row, start in zip(rows, starts, strict=True)
        ]
        right = [text == f"{QUESTIONS[question]}." for text, question in zip(texts, asked, strict=True)]
        scores = torch.tensor(right, dtype=torch.float32)

        # Score: the reward on the last token, the KL penalty on every one, advantages whitened over the batch.
        old, before = logprobs(policy, ids), values(ids)
        divergence = k1(old, logprobs(reference, ids))
        found = gae(token_rewards(divergence, scores, mask, controller.beta), before, mask, gamma=1.0, lam=0.95)
        advantages, kl = whiten(found.advantages, mask), float((divergence * mask).sum(1).mean())

    # Learn: each loss is a weighted sum, and the weights of a step sum to 1.
    update = policy_loss(logprobs(policy, ids), old, advantages, weights(mask), clip=0.2)
    error = value_loss(values(ids), before, found.returns, weights(mask), clip=0.2)
    text = encode(TEXTS[step])
    ptx = next_token_loss(logprobs(policy, text), weights(torch.ones_like(text[:, 1:], dtype=torch.bool)))
    optimizer.zero_grad()
    (update.value + error.value + ptx).backward()
    nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    nn.utils.clip_grad_norm_(both.parameters(), 1.0)
    optimizer.step()
    controller.update(kl, episodes=len(ids))
    print(f"step {step}: score {scores.mean():.2f}, KL {kl:.2f}, ratio {update.ratio:.4f}, ptx {ptx:.2f}")
