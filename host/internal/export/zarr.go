package export

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/plume-da/plume/host/internal/archive"
	"golang.org/x/sync/errgroup"
)

// chunkBytes is about the size of a chunk of a Zarr array before it is compressed.
var chunkBytes = 8 << 20 // less in tests

// zarr is a store in version 3 of the format: a directory of groups and arrays, each of which is
// described by a file zarr.json and has one file for each of its chunks. These have no folders of
// their own, which for many small arrays would take longer to make than the files.
// Format: https://zarr-specs.readthedocs.io/en/latest/v3/core/
//
// The metadata of everything in the store, or in a group, is also in its own zarr.json, as zarr
// and xarray consolidate it, so that they read one file to open it.
type zarr struct {
	dir     string
	encoder *zstd.Encoder
	buffers sync.Pool     // of chunks
	writing chan struct{} // one for each chunk that is being written, of all groups

	mu    sync.Mutex
	nodes map[string]map[string]any // metadata by path
}

func newZarr(dir string) (*zarr, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	return &zarr{dir: dir, encoder: encoder, writing: make(chan struct{}, runtime.GOMAXPROCS(0)), nodes: map[string]map[string]any{}}, err
}

// groupOf returns the path of the group of a grid of a table, such as analysis/trial=0001 or
// truth/replicate=001-0.
func groupOf(name string, g *grid) string {
	table, rest, _ := strings.Cut(name, "/")
	replicate, part, numbered := strings.Cut(rest, "/part-")
	switch number, _ := strconv.Atoi(part); {
	case table == "observations" && g.from.replicate > 0:
		return fmt.Sprintf("%s/replicate=%03d-%d", table, g.from.replicate, g.from.truth)
	case table == "ensemble" || table == "smoothed":
		return g.stage + "/" + replicate
	case numbered:
		return fmt.Sprintf("%s/%s-%d", table, replicate, number)
	}
	return table
}

// export writes the grids of a table of the run as one group each.
func (z *zarr) export(ctx context.Context, r *archive.Reader, name string, o *origins) error {
	return export(ctx, r, name, o, func(_ string, g *grid, h *header) (io.Closer, error) { return z.group(groupOf(name, g), h) })
}

// zarrGroup is a group whose arrays are being written.
type zarrGroup struct {
	arrays []*chunks
	files  *errgroup.Group // of chunks
}

// group makes a group with arrays for what h has, and writes its coordinates.
func (z *zarr) group(path string, h *header) (*zarrGroup, error) {
	g := &zarrGroup{files: &errgroup.Group{}}
	z.add(path, map[string]any{"node_type": "group", "attributes": attributesOf(h.attributes)})
	for _, v := range h.variables {
		c, err := z.array(path+"/"+v.name, h.dims, v, g.files)
		if err != nil {
			return nil, errors.Join(err, g.files.Wait())
		}
		v.out, v.order, v.left = c, binary.LittleEndian, v.values(h.dims)
		g.arrays = append(g.arrays, c)
	}
	if err := h.writeCoordinates(); err != nil {
		return nil, errors.Join(err, g.files.Wait())
	}
	return g, nil
}

// Close waits until all chunks are written. All values must have been.
func (g *zarrGroup) Close() error {
	err := g.files.Wait()
	for _, c := range g.arrays {
		if c.of.left != 0 && err == nil {
			err = fmt.Errorf("variable %s: %d values were not written", c.of.name, c.of.left)
		}
	}
	return err
}

// add describes a group or an array.
func (z *zarr) add(path string, node map[string]any) {
	node["zarr_format"] = 3
	z.mu.Lock()
	defer z.mu.Unlock()
	z.nodes[path] = node
}

func attributesOf(list []attribute) map[string]any {
	all := map[string]any{}
	for _, a := range list {
		all[a.name] = a.value
	}
	return all
}

// zarrTypes are names and fill values of the types of variables.
var zarrTypes = map[cdfType][2]any{cdfInt: {"int32", int32(noParent)}, cdfFloat: {"float32", "NaN"}, cdfDouble: {"float64", "NaN"}}

// array makes an array, of which the chunks are written by files.
func (z *zarr) array(path string, dims []dimension, v *variable, files *errgroup.Group) (*chunks, error) {
	names, shape := make([]string, len(v.dims)), make([]int, len(v.dims))
	for i, d := range v.dims {
		names[i], shape[i] = dims[d].name, dims[d].length
	}
	c := newChunks(shape, int(v.kind.size()))
	c.store, c.of, c.file, c.files = z, v, filepath.Join(z.dir, path, "c"), files
	z.add(path, map[string]any{
		"node_type": "array", "attributes": attributesOf(v.attributes), "data_type": zarrTypes[v.kind][0], "fill_value": zarrTypes[v.kind][1],
		"shape": shape, "dimension_names": names,
		"chunk_grid":         map[string]any{"name": "regular", "configuration": map[string]any{"chunk_shape": c.shape}},
		"chunk_key_encoding": map[string]any{"name": "default", "configuration": map[string]any{"separator": "."}},
		"codecs": []any{
			map[string]any{"name": "bytes", "configuration": map[string]any{"endian": "little"}},
			map[string]any{"name": "zstd", "configuration": map[string]any{"level": 1, "checksum": true}},
		},
	})
	return c, os.MkdirAll(filepath.Dir(c.file), 0o755)
}

// close writes the metadata, until ctx is done. The groups above others have none of their own.
func (z *zarr) close(ctx context.Context, attributes []attribute) error {
	z.add("", map[string]any{"node_type": "group", "attributes": attributesOf(attributes)})
	for path := range maps.Clone(z.nodes) {
		for dir, nested := parentOf(path); nested; dir, nested = parentOf(dir) {
			if z.nodes[dir] == nil {
				z.add(dir, map[string]any{"node_type": "group", "attributes": map[string]any{}})
			}
		}
	}
	below := map[string]map[string]json.RawMessage{} // metadata of what is in each group, by path below it
	for path, node := range z.nodes {
		text, err := json.Marshal(node)
		if err != nil {
			return err
		}
		for dir, nested := parentOf(path); nested; dir, nested = parentOf(dir) {
			if below[dir] == nil {
				below[dir] = map[string]json.RawMessage{}
			}
			below[dir][strings.TrimPrefix(path[len(dir):], "/")] = text
		}
	}
	files, ctx := errgroup.WithContext(ctx)
	files.SetLimit(runtime.GOMAXPROCS(0))
	for path, node := range z.nodes {
		files.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if node["node_type"] == "group" {
				node = maps.Clone(node)
				node["consolidated_metadata"] = map[string]any{"kind": "inline", "must_understand": false, "metadata": below[path]}
			}
			text, err := json.Marshal(node)
			return errors.Join(err, os.WriteFile(filepath.Join(z.dir, path, "zarr.json"), append(text, '\n'), 0o644))
		})
	}
	return errors.Join(files.Wait(), z.encoder.Close())
}

// parentOf returns the group above a path; there is none above the store itself.
func parentOf(path string) (dir string, nested bool) {
	return path[:max(0, strings.LastIndexByte(path, '/'))], path != ""
}

// groups returns the paths of the groups with arrays, sorted.
func (z *zarr) groups() (list []string) {
	for path, node := range z.nodes {
		if node["node_type"] == "array" {
			dir, _ := parentOf(path)
			list = append(list, dir)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// chunks is an array that is written from its first value to its last. Its chunks are consecutive
// values: whole rows of a dimension, or a part of one where a row is larger than a chunk. So it
// holds one chunk, and as many as are being written.
type chunks struct {
	store *zarr
	of    *variable
	file  string // of a single value; names of files of chunks go on with the places of these
	files *errgroup.Group

	shape []int // of a chunk
	cut   int   // the dimension that is cut; -1: the array is a single value
	count []int // chunks in each dimension
	index []int // of the current chunk
	rows  int   // of dimension cut, of the array
	row   int   // bytes of one
	buf   []byte
}

// newChunks cuts an array of values of some bytes.
func newChunks(shape []int, bytes int) *chunks {
	c := &chunks{shape: make([]int, len(shape)), cut: -1, count: make([]int, len(shape)), index: make([]int, len(shape)), rows: 1, row: bytes}
	for d := len(shape) - 1; d >= 0; d-- {
		c.shape[d] = shape[d]
		if c.cut, c.rows = d, shape[d]; d == 0 || c.row*shape[d] > chunkBytes/2 {
			break
		}
		c.row *= shape[d]
	}
	if c.cut >= 0 {
		c.shape[c.cut] = max(1, min(c.rows, chunkBytes/c.row))
	}
	for d := range c.cut {
		c.shape[d] = 1
	}
	for d := range shape {
		c.count[d] = (shape[d] + c.shape[d] - 1) / c.shape[d]
	}
	return c
}

// size returns the bytes of the values in the current chunk: fewer than those of a chunk at the end
// of a dimension.
func (c *chunks) size() int {
	if c.cut < 0 {
		return c.row
	}
	return c.row * min(c.shape[c.cut], c.rows-c.index[c.cut]*c.shape[c.cut])
}

// whole returns the bytes of a chunk.
func (c *chunks) whole() int {
	if c.cut < 0 {
		return c.row
	}
	return c.row * c.shape[c.cut]
}

// Write adds values.
func (c *chunks) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if c.buf == nil {
			c.buf, _ = c.store.buffers.Get().([]byte)
			c.buf = slices.Grow(c.buf[:0], c.whole())
		}
		k := min(len(b), c.size()-len(c.buf))
		c.buf, b = append(c.buf, b[:k]...), b[k:]
		if len(c.buf) == c.size() {
			c.flush()
		}
	}
	return n, nil
}

// flush writes the current chunk in the background, filled up to its size, and turns to the next.
func (c *chunks) flush() {
	for len(c.buf) < c.whole() {
		switch c.of.kind {
		case cdfInt:
			c.buf = binary.LittleEndian.AppendUint32(c.buf, math.MaxUint32) // noParent
		case cdfFloat:
			c.buf = binary.LittleEndian.AppendUint32(c.buf, math.Float32bits(float32(math.NaN())))
		default:
			c.buf = binary.LittleEndian.AppendUint64(c.buf, math.Float64bits(math.NaN()))
		}
	}
	path, values, store := c.file, c.buf, c.store
	for _, k := range c.index {
		path += "." + strconv.Itoa(k)
	}
	c.buf = nil
	store.writing <- struct{}{}
	c.files.Go(func() error {
		defer func() { <-store.writing }()
		packed, _ := store.buffers.Get().([]byte)
		packed = store.encoder.EncodeAll(values, packed[:0])
		err := os.WriteFile(path, packed, 0o644)
		store.buffers.Put(values) //nolint:staticcheck // a slice of some megabytes
		store.buffers.Put(packed) //nolint:staticcheck // likewise
		return err
	})
	for d := len(c.index) - 1; d >= 0; d-- {
		if c.index[d]++; c.index[d] < c.count[d] {
			return
		}
		c.index[d] = 0
	}
}
