"""Pretrained networks that turn raw things into vectors."""
