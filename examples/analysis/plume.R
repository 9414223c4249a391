# Plume from R, in one file: source("plume.R"). It calls the program plume, which is $PLUME or on $PATH,
# and needs no package. With the package arrow, tables are read as they are stored.

# Runs plume and returns the lines of its standard output; its errors are errors of R.
plume_call <- function(...) {
  program <- Sys.getenv("PLUME", "plume")
  said <- tempfile()
  errors <- tempfile()
  on.exit(unlink(c(said, errors)))
  status <- system2(program, shQuote(c(...)), stdout = said, stderr = errors)
  if (status != 0) stop(paste(readLines(errors), collapse = "\n"), call. = FALSE)
  readLines(said)
}

# Returns a value as TOML has it: a vector of several values, or of a list, is a list.
plume_value <- function(value, several = length(value) != 1) {
  text <- if (is.character(value)) encodeString(value, quote = "\"")
  else if (is.logical(value)) tolower(value)
  else vapply(value, function(v) Find(function(t) as.numeric(t) == v, sprintf(c("%.15g", "%.17g"), v)), "")
  if (several) paste0("[", paste(text, collapse = ", "), "]") else text
}

# Runs a workflow and returns its run directory:
#   plume_run("twin.toml", set = list(time.cycles = 500), sweep = list(replicate = 1:5))
plume_run <- function(workflow, set = list(), sweep = list(), run_dir = "runs") {
  given <- c(
    unlist(Map(function(key, value) c("--set", paste0(key, "=", plume_value(value))), names(set), set)),
    unlist(Map(function(key, value) c("--sweep", paste0(key, "=", plume_value(value, TRUE))), names(sweep), sweep))
  )
  do.call(plume_call, as.list(c("run", workflow, "--quiet", "--run-dir", run_dir, given)))
}

# Compares the filters of a run, as plume compare does: scores, and paired differences.
plume_compare <- function(run, metric = NULL, against = NULL) {
  given <- c(if (!is.null(metric)) c("--metric", metric), if (!is.null(against)) c("--against", against))
  lines <- do.call(plume_call, as.list(c("compare", run, "--format", "csv", "--quiet", given)))
  read.csv(text = lines, check.names = FALSE, na.strings = "")
}

# Returns model times as dates, in UTC, or NULL if they are not dates of a calendar with our months.
plume_dates <- function(run, times) {
  text <- paste(readLines(file.path(run, "run.json")), collapse = " ")
  said <- regmatches(text, regexec("\"dates\": *\\{[^}]*\\}", text))[[1]]
  value <- function(key) sub(sprintf(".*\"%s\": *\"?([^\",} ]+).*", key), "\\1", said)
  if (length(said) == 0 || value("calendar") != "proleptic_gregorian") return(NULL)
  as.POSIXct(value("start"), format = "%Y-%m-%dT%H:%M:%OSZ", tz = "UTC") + round(times * as.numeric(value("unit_seconds")), 3)
}

# Returns a table of a run directory, such as "metrics", "cycles" or "ensemble/trial=0001/part-00000".
# Where model times are dates, the columns date and valid_date have them. Without arrow, a variable of
# several values has one column for each, such as u_0.
plume_table <- function(run, name) {
  table <- plume_stored(run, name)
  for (pair in list(c("time", "date"), c("valid", "valid_date"))) {
    dates <- if (pair[1] %in% names(table)) plume_dates(run, table[[pair[1]]])
    if (!is.null(dates)) table[[pair[2]]] <- dates
  }
  table
}

# Returns a table as it is stored or exported.
plume_stored <- function(run, name) {
  file <- file.path(run, paste0(name, ".arrow"))
  if (requireNamespace("arrow", quietly = TRUE)) return(as.data.frame(arrow::read_ipc_file(file)))
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  plume_call("export", run, "--to", folder, "--format", "csv", "--tables", sub("/.*", "", name), "--quiet")
  read.csv(file.path(folder, paste0(name, ".csv")), check.names = FALSE, na.strings = "")
}

# Returns a row for each trial, baseline and metric, with the axes of the sweep.
plume_scores <- function(run, metric = "rmse", stage = "analysis") {
  scores <- plume_table(run, "metrics")
  scores <- scores[scores$metric == metric & scores$stage == stage, ]
  trials <- plume_table(run, "trials")
  about <- setdiff(names(trials), c(setdiff(names(scores), "trial"), "reference", "plugin", "error"))
  merge(scores, trials[about], by = "trial", all.x = TRUE, sort = FALSE)
}
