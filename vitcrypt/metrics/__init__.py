"""Measures of how much of an image, a layout or a key an attack restored. This room imports nothing of ours."""

from vitcrypt.metrics.jigsaw_score import JigsawScore, jigsaw_score
from vitcrypt.metrics.key_shares import key_shares
from vitcrypt.metrics.lpips import lpips, lpips_weights
from vitcrypt.metrics.ssim import fold_negative, psnr, ssim

__all__ = ["JigsawScore", "fold_negative", "jigsaw_score", "key_shares", "lpips", "lpips_weights", "psnr", "ssim"]
