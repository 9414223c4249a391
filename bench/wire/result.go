package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// size is an ensemble to measure, how, and what is wanted of it. A target of 0
// is none.
type size struct {
	Members, Values int
	Rounds, Calls   int  // Calls are made in each of Rounds
	Unary           bool // compare with a unary call too

	minRatio  float64 // throughput, of the raw echo's
	maxUnary  float64 // time, in unary calls
	maxHost   float64 // peak resident memory, in payloads
	maxPlugin float64
}

var sizes = []size{
	{Members: 100, Values: 3, Rounds: 21, Calls: 200, Unary: true, maxUnary: 2},
	{Members: 100, Values: 10_000, Rounds: 21, Calls: 5},
	{Members: 100, Values: 100_000, Rounds: 11, Calls: 1, minRatio: 0.6, maxHost: 2.5, maxPlugin: 2.5},
	{Members: 100, Values: 1_000_000, Rounds: 7, Calls: 1, maxHost: 2.5},
}

func (s size) String() string { return fmt.Sprintf("%dx%d", s.Members, s.Values) }

// payload returns the bytes of an ensemble.
func (s size) payload() float64 { return 8 * float64(s.Members) * float64(s.Values) }

// result is what was measured of one size.
type result struct {
	size
	memory, raw, unary, plume []time.Duration
	hostPeak, pluginPeak      int64
}

func (r *result) add(o *result) {
	r.memory, r.raw = append(r.memory, o.memory...), append(r.raw, o.raw...)
	r.unary, r.plume = append(r.unary, o.unary...), append(r.plume, o.plume...)
}

// ratio returns plume's throughput in raw echoes.
func (r *result) ratio() float64 { return median(r.raw) / median(r.plume) }

// inUnary returns plume's time in unary calls.
func (r *result) inUnary() float64 { return median(r.plume) / median(r.unary) }

// host and plugin return the peak resident memory in payloads.
func (r *result) host() float64   { return float64(r.hostPeak) / r.payload() }
func (r *result) plugin() float64 { return float64(r.pluginPeak) / r.payload() }

// missed lists the targets that were missed.
func (r *result) missed() []error {
	var missed []error
	check := func(what string, got, want float64, ok bool) {
		if want != 0 && !ok {
			missed = append(missed, fmt.Errorf("target missed: %s: %s is %.2f, want %.2f", r.size, what, got, want))
		}
	}
	check("throughput / raw echo", r.ratio(), r.minRatio, r.ratio() >= r.minRatio)
	check("time / unary call", r.inUnary(), r.maxUnary, r.inUnary() <= r.maxUnary)
	check("host's peak memory / payload", r.host(), r.maxHost, r.host() <= r.maxHost)
	check("plugin's peak memory / payload", r.plugin(), r.maxPlugin, r.plugin() <= r.maxPlugin)
	return missed
}

const (
	heading = "" +
		"                  time of one call there and back, ms       throughput, MB/s      plume    plume   peak RSS, payloads\n" +
		"ensemble       memcpy       raw     unary     plume    memcpy     raw   plume    /raw   /unary     host   plugin"
	legend = `
Medians. Throughput counts the payload once in each direction. plume/raw compares
throughputs, plume/unary times.
`
)

func (r *result) String() string {
	unary, inUnary, host, plugin := "-", "-", "-", "-"
	if r.Unary {
		unary, inUnary = fmt.Sprintf("%.3f", 1e3*median(r.unary)), fmt.Sprintf("%.2f", r.inUnary())
	}
	if r.payload() >= 1<<20 && r.hostPeak > 0 {
		host, plugin = fmt.Sprintf("%.2f", r.host()), fmt.Sprintf("%.2f", r.plugin())
	}
	return fmt.Sprintf("%-12s %8.3f  %8.3f  %8s  %8.3f  %8.0f%8.0f%8.0f  %6.2f  %7s  %7s  %7s", r.size,
		1e3*median(r.memory), 1e3*median(r.raw), unary, 1e3*median(r.plume),
		r.rate(r.memory), r.rate(r.raw), r.rate(r.plume), r.ratio(), inUnary, host, plugin)
}

// rate returns a throughput in MB/s.
func (r *result) rate(took []time.Duration) float64 { return 2 * r.payload() / 1e6 / median(took) }

// median returns the median in seconds, or NaN of nothing.
func median(all []time.Duration) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]).Seconds() / 2
}
