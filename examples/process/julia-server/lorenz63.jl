# Lorenz-63 by Runge-Kutta steps of order 4: for every line on standard input, state.csv to result.csv.
const step = 0.01

tendency(s) = [10 * (s[2] - s[1]), s[1] * (28 - s[3]) - s[2], s[1] * s[2] - 8 / 3 * s[3]]

function advance(s, h)
    k1 = tendency(s)
    k2 = tendency(s + h / 2 * k1)
    k3 = tendency(s + h / 2 * k2)
    k4 = tendency(s + h * k3)
    s + h / 6 * (k1 + 2 * (k2 + k3) + k4)
end

for line in eachline(stdin)
    interval = parse(Float64, match(r"\"interval\": *([^,}]*)", line)[1])
    state = parse.(Float64, split(readlines("state.csv")[2], ','))
    for _ in 1:round(Int, interval / step)
        state = advance(state, step)
    end
    write("result.csv", "x,y,z\n", join(state, ','), "\n")
    println("{}")
    flush(stdout)
end
