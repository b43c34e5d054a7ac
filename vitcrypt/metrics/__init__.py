"""Measures of how much of an image, a layout or a key an attack restored. This room imports nothing of ours."""

from vitcrypt.metrics.identification import identified, pairwise_correlation, pairwise_ssim
from vitcrypt.metrics.jigsaw_score import JigsawScore, jigsaw_score
from vitcrypt.metrics.key_shares import key_shares
from vitcrypt.metrics.linkage import Linkage, linkage
from vitcrypt.metrics.lpips import lpips, lpips_weights
from vitcrypt.metrics.ssim import flat_ssim, fold_negative, psnr, ssim
from vitcrypt.metrics.symmetry import Symmetry, common_symmetry, symmetric_ssim, symmetries

__all__ = [
    "JigsawScore",
    "Linkage",
    "Symmetry",
    "common_symmetry",
    "flat_ssim",
    "fold_negative",
    "identified",
    "jigsaw_score",
    "key_shares",
    "linkage",
    "lpips",
    "lpips_weights",
    "pairwise_correlation",
    "pairwise_ssim",
    "psnr",
    "ssim",
    "symmetric_ssim",
    "symmetries",
]
