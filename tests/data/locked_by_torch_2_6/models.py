"""Networks whose ops differ between versions of torch and between devices, small enough for a lock file of a page."""

import torch
from torch import nn
from torch.nn import functional


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 4)

    def forward(self, image):
        x = functional.relu_(self.norm(self.conv(image)))
        x = functional.max_pool2d(x[:, :], 2) - functional.interpolate(x, scale_factor=0.5, mode="bilinear")
        x = functional.dropout(torch.flatten(self.pool(x), 1), 0.5, self.training)
        return functional.cosine_similarity(self.fc(x), self.fc.bias)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(16, 8)
        self.qkv = nn.Linear(8, 24)
        self.norm = nn.RMSNorm(8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, ids):
        x = self.norm(self.embed(ids))
        q, k, v = self.qkv(x).view(1, -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
        x = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(1, -1, 8)
        grouped = functional.scaled_dot_product_attention(q, k[:, :1], v[:, :1], enable_gqa=True)
        x = self.block(x) + grouped.transpose(1, 2).flatten(2)
        return x.mT @ functional.one_hot(ids, 16).to(x.dtype)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRUCell(10, 4)

    def forward(self, x):
        steps, _ = self.lstm(x)
        return self.gru(steps[:, -1])
