"""Trainers on one loop: pretraining, supervised fine-tuning, reward model, PPO with a pretraining mix."""
