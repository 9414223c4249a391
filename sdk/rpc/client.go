package rpc

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

// Describe asks the plugin behind conn for its manifest and returns it as a
// plugin whose constructors and roles make calls over conn. Everything that comes
// back is checked: what the plugin answers cannot harm the caller, and a broken
// promise is an error of kind contract.
func Describe(ctx context.Context, conn grpc.ClientConnInterface) (*sdk.Plugin, error) {
	c := &client{conn: conn, plugin: pb.NewPluginClient(conn), memory: &memory{}}
	from := &peer.Peer{}
	res, err := c.plugin.Describe(ctx, &pb.DescribeRequest{}, grpc.Peer(from), grpc.MaxCallRecvMsgSize(manifestBytes))
	if err != nil {
		return nil, fromStatus(err)
	}
	m, err := sdk.ParseManifest(res.Manifest)
	if err != nil {
		return nil, err
	}
	c.method, c.carries = methodOf[m.Role], m.Carries
	c.shares = from.Addr != nil && from.Addr.Network() == "unix" && slices.Contains(res.Features, featureShared)
	c.takes = rules{slices.Contains(res.Features, featureGrid), slices.Contains(res.Features, featureOrigins)}
	c.numbers, c.parted = slices.Contains(res.Features, featureNumbers), m.Threading.IndependentMembers
	c.series, c.single = slices.Contains(res.Features, featureSeries), slices.Contains(res.Features, featureSingle)
	p := &sdk.Plugin{Manifest: m}
	switch m.Role {
	case sdk.RoleModel:
		p.NewModel = c.newModel
	case sdk.RoleOperator:
		p.NewOperator = c.newOperator
	case sdk.RoleFilter:
		p.NewFilter = c.newFilter
	}
	return p, nil
}

// Session holds the session of the plugin behind conn open until ctx ends, and
// hands the plugin's log records to log. It returns nil when ctx has ended and
// the reason when the plugin ended the session.
func Session(ctx context.Context, conn grpc.ClientConnInterface, log func(level, message string, fields map[string]string)) error {
	stream, err := pb.NewPluginClient(conn).Session(ctx)
	if err != nil {
		return fromStatus(err)
	}
	for {
		event, err := stream.Recv()
		if err != nil {
			return unlessEnded(ctx, fromStatus(err))
		}
		if event.Log != nil {
			log(event.Log.Level, event.Log.Message, event.Log.Fields)
		}
	}
}

// unlessEnded returns err, or nil when ctx has ended, which explains err.
func unlessEnded(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// client makes calls to one plugin process.
type client struct {
	conn   grpc.ClientConnInterface
	plugin pb.PluginClient
	method method
	calls  atomic.Uint64

	carries bool // the manifest says so

	series  bool  // the plugin takes several calls on a stream
	single  bool  // and states in single precision
	takes   rules // and positions by rule
	numbers bool  // and members whose numbers do not follow each other
	parted  bool  // members may go in several calls: they do not depend on each other

	mu     sync.Mutex
	names  int      // of configurations, made so far
	free   []string // those of them that are not in use
	shares bool     // memory can be shared, which has not been tried yet
	memory *memory
	idle   []*line // streams that are waiting for their next call

	scratch [][][]float64 // memory of calls that have ended
}

func (c *client) configure(ctx context.Context, params sdk.Params, r *pb.ConfigureRequest) (*remote, *pb.ConfigureResponse, error) {
	s, err := paramsToProto(params)
	if err != nil {
		return nil, nil, err
	}
	r.Configuration, r.Params, r.Grid, r.Origins = c.takeName(), s, true, true
	res, err := c.plugin.Configure(ctx, r, grpc.MaxCallRecvMsgSize(layoutBytes))
	if err != nil {
		c.putName(r.Configuration)
		return nil, nil, fromStatus(err)
	}
	return &remote{client: c, configuration: r.Configuration}, res, nil
}

// takeName returns a name for a configuration, which replaces the last one of that name.
func (c *client) takeName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.free) - 1; last >= 0 {
		name := c.free[last]
		c.free = c.free[:last]
		return name
	}
	c.names++
	return strconv.Itoa(c.names)
}

func (c *client) putName(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, name)
}

// Release gives up a role that a plugin from [Describe] has made: a model, an operator
// or a filter that is no longer called. The plugin keeps its configuration until
// another one takes its place.
func Release(role any) {
	if r, ok := role.(interface{ release() }); ok {
		r.release()
	}
}
