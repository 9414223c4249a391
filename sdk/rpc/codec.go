package rpc

import (
	"errors"
	"io"

	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of all other messages
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Field numbers of plume.v1.Frame.
const (
	fieldHeader  = 1
	fieldEnd     = 2
	fieldChannel = 3
	fieldShared  = 4
	fieldIPC     = 15
)

// frame is plume.v1.Frame as this package sends and receives it: its payload is
// never joined. On the way out it is a list of parts of the sender's memory, which
// must not change until the call has ended, unless the frame is whole; on the way in
// it is passed to sink piece by piece, straight from the transport's buffers. Or it is
// in shared memory. A header that comes in is passed to open before the payload is
// read.
type frame struct {
	header  *pb.CallHeader
	end     *pb.CallEnd
	channel pb.Channel
	shared  *pb.Shared
	payload [][]byte
	whole   bool                       // the payload is copied, so the sender's memory may change
	lent    *[]byte                    // where it has been copied to, within a process; nil: nowhere
	loan    *loan                      // within a process, whose memory the payload is if it is not copied; nil: the receiver's, until it lets go
	open    func(*pb.CallHeader) error // nil: headers are only noted
	sink    func(channel pb.Channel, piece []byte) error
	fault   error // what is wrong with a frame that came in; as an error of the codec it would become text
}

// codec encodes frames without copies, and other messages with the standard codec. It
// writes plain protobuf.
type codec struct{ standard encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// lent is the memory of messages that are being sent.
var lent = &buffers{}

// Name returns the name of the standard codec, in whose place this one is.
func (c codec) Name() string { return c.standard.Name() }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return c.standard.Marshal(v)
	}
	var b []byte
	var err error
	if f.header != nil {
		b, err = appendMessage(b, fieldHeader, f.header)
	}
	if f.end != nil && err == nil {
		b, err = appendMessage(b, fieldEnd, f.end)
	}
	if err != nil {
		return nil, err
	}
	if f.channel != 0 {
		b = protowire.AppendTag(b, fieldChannel, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(f.channel))
	}
	if f.shared != nil {
		b, err = appendMessage(b, fieldShared, f.shared)
		return mem.BufferSlice{mem.SliceBuffer(b)}, err
	}
	if f.payload == nil {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	length := 0
	for _, p := range f.payload {
		length += len(p)
	}
	b = protowire.AppendTag(b, fieldIPC, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(length))
	if f.whole {
		whole := lent.Get(len(b) + length)
		at := copy(*whole, b)
		for _, p := range f.payload {
			at += copy((*whole)[at:], p)
		}
		return mem.BufferSlice{mem.NewBuffer(whole, lent)}, nil // the transport returns it
	}
	out := make(mem.BufferSlice, 1, 1+len(f.payload))
	out[0] = mem.SliceBuffer(b)
	for _, p := range f.payload {
		out = append(out, mem.SliceBuffer(p))
	}
	return out, nil
}

func appendMessage(b []byte, field protowire.Number, m proto.Message) ([]byte, error) {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(proto.Size(m)))
	return proto.MarshalOptions{}.MarshalAppend(b, m)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return c.standard.Unmarshal(data, v)
	}
	f.header, f.end, f.channel, f.shared, f.fault = nil, nil, 0, nil, nil
	r := &pieces{data: data, left: data.Len()}
	for r.left > 0 && f.fault == nil {
		if err := f.field(r); err != nil {
			f.fault = contract("frame", "%v", err)
			return nil
		}
	}
	return nil
}

var (
	errFrame       = errors.New("is damaged")
	errUnannounced = errors.New("has a payload before the CallHeader")
)

// field decodes one field of f.
func (f *frame) field(r *pieces) error {
	tag, err := r.varint()
	if err != nil {
		return err
	}
	number, kind := protowire.DecodeTag(tag)
	switch {
	case number == fieldHeader && kind == protowire.BytesType:
		f.header = &pb.CallHeader{}
		if err := r.message(f.header); err != nil {
			return err
		}
		f.begin()
		return nil
	case number == fieldEnd && kind == protowire.BytesType:
		f.end = &pb.CallEnd{}
		return r.message(f.end)
	case number == fieldChannel && kind == protowire.VarintType:
		channel, err := r.varint()
		f.channel = pb.Channel(channel)
		return err
	case (number == fieldIPC || number == fieldShared) && kind == protowire.BytesType && f.sink == nil:
		return errUnannounced
	case number == fieldShared && kind == protowire.BytesType:
		f.shared = &pb.Shared{}
		return r.message(f.shared)
	case number == fieldIPC && kind == protowire.BytesType:
		return r.each(func(piece []byte) error { return f.sink(f.channel, piece) })
	}
	return r.skip(kind)
}

// begin opens the call that the header of f announces.
func (f *frame) begin() {
	if f.open != nil {
		f.fault = f.open(f.header)
	}
}

// pieces reads a message that is spread over several buffers.
type pieces struct {
	data mem.BufferSlice
	at   int // in the first buffer
	left int
}

// next returns up to n contiguous bytes, and moves past them.
func (r *pieces) next(n int) []byte {
	for len(r.data) > 0 && r.at == r.data[0].Len() {
		r.data, r.at = r.data[1:], 0
	}
	if len(r.data) == 0 {
		return nil
	}
	p := r.data[0].ReadOnlyData()[r.at:]
	p = p[:min(n, len(p))]
	r.at += len(p)
	r.left -= len(p)
	return p
}

func (r *pieces) varint() (uint64, error) {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.next(1)
		if b == nil {
			return 0, io.ErrUnexpectedEOF
		}
		v |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return v, nil
		}
	}
	return 0, errFrame
}

// each reads a length-delimited field and passes it to do piece by piece.
func (r *pieces) each(do func([]byte) error) error {
	n, err := r.length()
	if err != nil {
		return err
	}
	return r.pass(n, do)
}

// length reads the length of a field that follows it.
func (r *pieces) length() (int, error) {
	n, err := r.varint()
	if err == nil && n > uint64(r.left) {
		err = errFrame
	}
	return int(n), err
}

// pass passes left bytes, which are there, to do piece by piece.
func (r *pieces) pass(left int, do func([]byte) error) error {
	for left > 0 {
		p := r.next(left)
		if err := do(p); err != nil {
			return err
		}
		left -= len(p)
	}
	return nil
}

func (r *pieces) message(m proto.Message) error {
	n, err := r.length()
	if err != nil {
		return err
	}
	b := make([]byte, 0, n)
	_ = r.pass(n, func(p []byte) error { b = append(b, p...); return nil })
	return proto.Unmarshal(b, m)
}

// skip skips a field of a later version of the protocol.
func (r *pieces) skip(kind protowire.Type) error {
	var n int
	switch kind {
	case protowire.VarintType:
		_, err := r.varint()
		return err
	case protowire.BytesType:
		return r.each(func([]byte) error { return nil })
	case protowire.Fixed32Type:
		n = 4
	case protowire.Fixed64Type:
		n = 8
	default:
		return errFrame
	}
	for n > 0 {
		p := r.next(n)
		if p == nil {
			return io.ErrUnexpectedEOF
		}
		n -= len(p)
	}
	return nil
}
