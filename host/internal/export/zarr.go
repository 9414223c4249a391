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

// group makes a group with arrays for what h has, and writes its coordinates. The grids of s, if it is not nil, are to
// be written afterwards.
func (z *zarr) group(path string, h *header, s *stack) error {
	z.add(path, map[string]any{"node_type": "group", "attributes": attributesOf(h.attributes)})
	files := &errgroup.Group{}
	var later []*variable
	if s != nil {
		later = s.arrays.all()
		if s.dim != "" {
			s.chunk = s.chunks()
		} else {
			s.chunk = 1
		}
	}
	for _, v := range h.variables {
		shape := v.shape(h.dims)
		c := newChunks(shape, int(v.kind.size()), 0)
		if slices.Contains(later, v) && s.dim != "" {
			c = newChunks(shape, int(v.kind.size()), s.chunk)
		}
		if err := z.describe(path, h.dims, v, c.shape); err != nil {
			return err
		}
		if !slices.Contains(later, v) && v.kind != texts {
			v.fill(c.in(z, path, v, files), binary.LittleEndian, v.values(h.dims))
		}
	}
	err := h.writeCoordinates()
	for _, c := range h.coordinates {
		if c.kind == texts {
			err = errors.Join(err, z.write(filepath.Join(z.dir, path, c.name, "c.0"), encoded(c.texts)))
		}
	}
	return errors.Join(err, files.Wait())
}

// encoded returns texts as the codec vlen-utf8 has them: their number, and each with its length before it.
func encoded(texts []string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(texts)))
	for _, text := range texts {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return b
}

// shape returns the lengths of the dimensions of v.
func (v *variable) shape(dims []dimension) []int {
	shape := make([]int, len(v.dims))
	for i, d := range v.dims {
		shape[i] = dims[d].length
	}
	return shape
}

// fill says where so many values of v go.
func (v *variable) fill(out io.Writer, order binary.AppendByteOrder, values int64) {
	v.out, v.order, v.left = out, order, values
}

// writing is arrays whose chunks are being written.
type writing struct {
	variables []*variable
	files     *errgroup.Group // of chunks
}

// open makes the arrays of a slab.
func (z *zarr) open(s *slab) io.Closer {
	w := &writing{files: &errgroup.Group{}}
	s.arrays = s.stack.arrays.copied(func(v *variable) *variable {
		own, shape := *v, v.shape(s.stack.dims)
		c := newChunks(shape, int(v.kind.size()), 0)
		if s.stack.dim != "" {
			shape[0] = s.last - s.first
			c = newChunks(shape, int(v.kind.size()), s.stack.chunk)
			c.first = s.first / s.stack.chunk
		}
		values := int64(1)
		for _, n := range shape {
			values *= int64(n)
		}
		own.row = nil
		own.fill(c.in(z, s.stack.path, &own, w.files), binary.LittleEndian, values)
		w.variables = append(w.variables, &own)
		return &own
	})
	return w
}

// Close waits until all chunks are written. All values must have been.
func (w *writing) Close() error {
	err := w.files.Wait()
	for _, v := range w.variables {
		if v.left != 0 && err == nil {
			err = fmt.Errorf("variable %s: %d values were not written", v.name, v.left)
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

// texts is the type of texts, which netCDF does not have.
const texts cdfType = 0

// zarrTypes are names and fill values of the types of variables.
var zarrTypes = map[cdfType][2]any{
	cdfInt: {"int32", int32(noNumber)}, cdfFloat: {"float32", "NaN"}, cdfDouble: {"float64", "NaN"}, texts: {"string", ""},
}

// describe makes the folder of an array of a group.
func (z *zarr) describe(group string, dims []dimension, v *variable, chunk []int) error {
	dimensions := make([]string, len(v.dims))
	for i, d := range v.dims {
		dimensions[i] = dims[d].name
	}
	bytes := map[string]any{"name": "bytes", "configuration": map[string]any{"endian": "little"}}
	if v.kind == texts {
		bytes = map[string]any{"name": "vlen-utf8"}
	}
	z.add(group+"/"+v.name, map[string]any{
		"node_type": "array", "attributes": attributesOf(v.attributes), "data_type": zarrTypes[v.kind][0], "fill_value": zarrTypes[v.kind][1],
		"shape": v.shape(dims), "dimension_names": dimensions,
		"chunk_grid":         map[string]any{"name": "regular", "configuration": map[string]any{"chunk_shape": chunk}},
		"chunk_key_encoding": map[string]any{"name": "default", "configuration": map[string]any{"separator": "."}},
		"codecs":             []any{bytes, map[string]any{"name": "zstd", "configuration": map[string]any{"level": 1, "checksum": true}}},
	})
	return os.MkdirAll(filepath.Join(z.dir, group, v.name), 0o755)
}

// write writes a chunk.
func (z *zarr) write(path string, values []byte) error {
	packed, _ := z.buffers.Get().([]byte)
	packed = z.encoder.EncodeAll(values, packed[:0])
	err := os.WriteFile(path, packed, 0o644)
	z.buffers.Put(packed) //nolint:staticcheck // a slice of some megabytes
	return err
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

	first int   // number of the first chunk, in the first dimension
	shape []int // of a chunk
	cut   int   // the dimension that is cut; -1: the array is a single value
	count []int // chunks in each dimension
	index []int // of the current chunk
	rows  int   // of dimension cut, of the array
	row   int   // bytes of one
	buf   []byte
}

// newChunks cuts an array of values of some bytes. A chunk has so many items of the first dimension if that
// is not 0, or a part of one item.
func newChunks(shape []int, bytes, items int) *chunks {
	row := bytes
	for _, n := range shape[min(1, len(shape)):] {
		row *= n
	}
	c := &chunks{shape: slices.Clone(shape), cut: -1, count: make([]int, len(shape)), index: make([]int, len(shape)), rows: 1, row: bytes}
	switch {
	case len(shape) == 0:
	case items > 1 || items == 1 && row <= chunkBytes:
		c.cut, c.rows, c.row, c.shape[0] = 0, shape[0], row, items
	default:
		c.cut = len(shape) - 1
		for c.cut > items && c.row*shape[c.cut] <= chunkBytes/2 {
			c.row *= shape[c.cut]
			c.cut--
		}
		c.rows = shape[c.cut]
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

// in says where the chunks of an array of a group are written, by files.
func (c *chunks) in(z *zarr, group string, v *variable, files *errgroup.Group) *chunks {
	c.store, c.of, c.file, c.files = z, v, filepath.Join(z.dir, group, v.name, "c"), files
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
			c.buf = binary.LittleEndian.AppendUint32(c.buf, math.MaxUint32) // noNumber
		case cdfFloat:
			c.buf = binary.LittleEndian.AppendUint32(c.buf, math.Float32bits(float32(math.NaN())))
		default:
			c.buf = binary.LittleEndian.AppendUint64(c.buf, math.Float64bits(math.NaN()))
		}
	}
	path, values, store := c.file, c.buf, c.store
	for d, k := range c.index {
		if d == 0 {
			k += c.first
		}
		path += "." + strconv.Itoa(k)
	}
	c.buf = nil
	store.writing <- struct{}{}
	c.files.Go(func() error {
		defer func() { <-store.writing }()
		err := store.write(path, values)
		store.buffers.Put(values) //nolint:staticcheck // a slice of some megabytes
		return err
	})
	for d := len(c.index) - 1; d >= 0; d-- {
		if c.index[d]++; c.index[d] < c.count[d] {
			return
		}
		c.index[d] = 0
	}
}
