"""What a recipe will take, from first principles: memory by stage and role, operations and time by stage."""

from __future__ import annotations

from pydantic import Field

from tutelage.config import Settings


class Volume(Settings):
    """How much data a plan reckons with; no training reads it. The counts of a village are taken from [village]."""

    demonstrations: int = Field(400, ge=0)
    """Demonstrations."""
    demonstration_tokens: float = Field(60, gt=0)
    """Mean tokens of a demonstration and its prompt."""
    rankings: int = Field(1200, ge=0)
    """Prompts with ranked completions."""
    ranking_completions: float = Field(6.5, gt=0)
    """Mean completions of such a prompt."""
    ranking_prompt_tokens: float = Field(36, gt=0)
    """Mean tokens of such a prompt."""
    ranking_completion_tokens: float = Field(24, gt=0)
    """Mean tokens of one of its completions."""
    prompt_tokens: float = Field(36, gt=0)
    """Mean tokens of PPO's prompts."""
    sampled_tokens: float = Field(24, gt=0)
    """Mean tokens of PPO's completions."""
    reported_sft: float = Field(0, ge=0)
    """Petaflop/s-days that are reported for the SFT baseline, to stand beside the planned ones; 0 is none."""
    reported_ppo: float = Field(0, ge=0)
    """The same for PPO with the mix."""
    reported_pretraining: float = Field(0, ge=0)
    """The same for the base."""
