# Plume from Julia, in one file: include("plume.jl"). It calls the program plume, which is ENV["PLUME"]
# or on the PATH, and needs no package. Tables are dictionaries of columns: DataFrame(table) takes one.

using Dates

"Runs plume and returns its standard output; its errors are errors of Julia."
function plume_call(arguments...)
    said, errors = IOBuffer(), IOBuffer()
    command = `$(get(ENV, "PLUME", "plume")) $(collect(arguments))`
    ended = run(pipeline(ignorestatus(command), stdout = said, stderr = errors))
    success(ended) || error(String(take!(errors)))
    String(take!(said))
end

"Returns a value as TOML has it."
plume_value(value::AbstractString) = '"' * escape_string(value) * '"'
plume_value(value) = string(value)
plume_value(values::Union{AbstractVector,AbstractRange,Tuple}) = "[" * join(map(plume_value, values), ", ") * "]"

"""
Runs a workflow and returns its run directory:

    plume_run("twin.toml"; set = ["time.cycles" => 500], sweep = ["replicate" => 1:5])
"""
function plume_run(workflow; set = [], sweep = [], run_dir = "runs")
    given = String[]
    for (key, value) in set
        append!(given, ["--set", "$key=$(plume_value(value))"])
    end
    for (key, values) in sweep
        append!(given, ["--sweep", "$key=$(plume_value(values))"])
    end
    String(strip(plume_call("run", workflow, "--quiet", "--run-dir", run_dir, given...)))
end

"Compares the filters of a run, as plume compare does: scores, and paired differences."
function plume_compare(run; metric = nothing, against = nothing)
    given = String[]
    metric === nothing || append!(given, ["--metric", metric])
    against === nothing || append!(given, ["--against", against])
    plume_columns(plume_call("compare", run, "--format", "csv", "--quiet", given...))
end

"""
Returns a table of a run directory, such as "metrics", "cycles" or "ensemble/trial=0001/part-00000". A
variable of several values has one column for each, such as u_0; where model times are dates, the columns
date and valid_date have them.
"""
function plume_table(run, name)
    mktempdir() do folder
        to = joinpath(folder, "csv")
        plume_call("export", run, "--to", to, "--format", "csv", "--tables", first(split(name, '/')), "--quiet")
        plume_columns(read(joinpath(to, name * ".csv"), String))
    end
end

"Returns a row for each trial, baseline and metric, with the axes of the sweep; those of a baseline are missing."
function plume_scores(run; metric = "rmse", stage = "analysis")
    scores, trials = plume_table(run, "metrics"), plume_table(run, "trials")
    rows = findall((scores["metric"] .== metric) .& (scores["stage"] .== stage))
    found = Dict{String,Vector}(name => column[rows] for (name, column) in scores)
    at = [ismissing(trial) ? nothing : findfirst(isequal(trial), trials["trial"]) for trial in found["trial"]]
    for name in setdiff(keys(trials), keys(scores), ["reference", "plugin", "error"])
        found[name] = [row === nothing ? missing : trials[name][row] for row in at]
    end
    found
end

"Returns the columns of a text of comma-separated values: numbers, dates or texts; an empty field is missing."
function plume_columns(text)
    rows, row, field, quoted, last = Vector{String}[], String[], IOBuffer(), false, ','
    for c in text
        if c == '"'
            !quoted && last == '"' && print(field, c)  # a doubled one is one of the text
            quoted = !quoted
        elseif quoted || !(c in (',', '\n', '\r'))
            print(field, c)
        elseif c != '\r'
            push!(row, String(take!(field)))
            c == '\n' && (push!(rows, row); row = String[])
        end
        last = c
    end
    Dict{String,Vector}(name => plume_column([r[i] for r in rows[2:end]]) for (i, name) in enumerate(rows[1]))
end

function plume_column(fields)
    for read in (f -> parse(Int, f), f -> parse(Float64, f), plume_date)
        try
            return [isempty(f) ? missing : read(f) for f in fields]
        catch e
            e isa ArgumentError || rethrow()
        end
    end
    [isempty(f) ? missing : f for f in fields]
end

plume_date(text) = endswith(text, 'Z') ? DateTime(chop(text)) : throw(ArgumentError("$text is not a date"))
