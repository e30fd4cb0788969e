"""The report of one or several runs: one HTML file that opens anywhere, and its score table as CSV, Markdown and LaTeX.

`write.write_report(runs, data, out)` is the whole of it for a caller. Inside, `gather` reads what the runs left behind,
`curves` and `pairs` work out what is drawn, `plots` and `pair_plots` draw it; `page` and `exports` put together what
`sections`, `facts` and `pair_section` make of it. Only `gather`, `pairs` and `write` touch a file.
"""
