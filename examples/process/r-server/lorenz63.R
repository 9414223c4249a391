# Lorenz-63 by Runge-Kutta steps of order 4: for every line on standard input, state.csv to result.csv.
step <- 0.01

tendency <- function(s) c(10 * (s[2] - s[1]), s[1] * (28 - s[3]) - s[2], s[1] * s[2] - 8 / 3 * s[3])

advance <- function(s, h) {
  k1 <- tendency(s)
  k2 <- tendency(s + h / 2 * k1)
  k3 <- tendency(s + h / 2 * k2)
  k4 <- tendency(s + h * k3)
  s + h / 6 * (k1 + 2 * (k2 + k3) + k4)
}

tasks <- file("stdin", "r")
while (length(line <- readLines(tasks, n = 1)) > 0) {
  interval <- as.numeric(sub('.*"interval":([^,}]*).*', "\\1", line))
  state <- unlist(read.csv("state.csv"))
  for (k in seq_len(round(interval / step))) state <- advance(state, step)
  writeLines(c("x,y,z", paste(sprintf("%.17g", state), collapse = ",")), "result.csv")
  cat("{}\n")
  flush(stdout())
}
