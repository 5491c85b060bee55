"""The colours of plots and pages."""

# Okabe and Ito's, which people who see few colours tell apart; wine for their yellow, too pale on paper.
BLUE, VERMILION, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, WINE = "#56B4E9", "#E69F00", "#882255"

INK, GREY, PALE, ACCENT = "#22252b", "#70757d", "#b8bcc2", "#00806c"
PAPER, GRID = "#fcfbf9", "#e8e6e1"
