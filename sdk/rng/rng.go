// Package rng derives every random stream of an experiment from one seed.
//
// A [Seed] is a point in a tree: [Seed.Child] goes down one level by name and
// number, and [Seed.Member] opens the stream of one ensemble member. Two
// different paths from the root give streams that are independent for every
// practical purpose, so a result depends neither on the order in which streams
// are opened nor on the process that opens them.
package rng

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Seed identifies one random stream or a subtree of streams. The zero value is a
// valid seed.
type Seed struct{ Hi, Lo uint64 }

// New returns the root of the tree for a seed in a workflow.
func New(seed int64) Seed { return Seed{Lo: uint64(seed)}.Child("plume", 0) }

// Child returns the seed of branch (name, index) below s: the first 128 bits of
// SHA-256 over s, name and index. Cost: one hash, about 0.2 microseconds.
func (s Seed) Child(name string, index int) Seed {
	buf := make([]byte, 0, 64)
	buf = binary.BigEndian.AppendUint64(buf, s.Hi)
	buf = binary.BigEndian.AppendUint64(buf, s.Lo)
	buf = binary.BigEndian.AppendUint64(buf, uint64(index))
	buf = append(buf, name...)
	sum := sha256.Sum256(buf)
	return Seed{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])}
}

// Rand opens the stream of s itself: a PCG generator (O'Neill 2014, technical
// report HMC-CS-2014-0905) started at s. It is not safe for concurrent use.
func (s Seed) Rand() *rand.Rand { return rand.New(rand.NewPCG(s.Hi, s.Lo)) }

// Member opens the stream of member i below s, cheaply enough to be called once
// per member and call: both words pass through the SplitMix64 finalizer (Steele,
// Lea and Flood 2014, doi:10.1145/2660193.2660195).
func (s Seed) Member(i int) *rand.Rand {
	step := (uint64(i) + 1) * 0x9e3779b97f4a7c15
	return rand.New(rand.NewPCG(mix(s.Hi^mix(step)), mix(s.Lo+step)))
}

// Normals fills dst with independent standard normal draws from r.
func Normals(r *rand.Rand, dst []float64) {
	for i := range dst {
		dst[i] = r.NormFloat64()
	}
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
