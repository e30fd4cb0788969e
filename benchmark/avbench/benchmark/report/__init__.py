"""The report of one or several runs: one HTML file that opens anywhere, and its score table as CSV, Markdown and LaTeX.

`write.write_report(runs, data, out)` is the whole of it for a caller. Inside, `gather` reads what the runs left behind,
`curves` and `pairs` work out what is drawn, `avbench.benchmark.plots` and `pair_drawings` draw it; `sections`,
`listening`, `facts` and `pair_section` turn it into the plain values of `views`, which `page` fills into the HTML of
`templates/`, and `exports` writes the tables. Only `gather`, `pairs`, `page` and `write` touch a file.
"""
