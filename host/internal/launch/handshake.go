package launch

import (
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/sdk"
)

// handshake is what a plugin says of itself in the first line of its standard output.
type handshake struct {
	version     int    // of the protocol
	network     string // where it listens: "unix" or "tcp"
	address     string // there
	certificate string // that it shows, as go-plugin encodes it; "": none
}

// parseHandshake returns what line says, or false when it is not a handshake.
func parseHandshake(line string) (handshake, bool) {
	parts := strings.Split(strings.TrimSpace(line), "|")
	if len(parts) < 5 || parts[0] != strconv.Itoa(plugin.CoreProtocolVersion) {
		return handshake{}, false
	}
	version, err := strconv.Atoi(parts[1])
	h := handshake{version: version, network: parts[2], address: parts[3]}
	if len(parts) > 5 {
		h.certificate = parts[5]
	}
	return h, err == nil
}

// unsafe returns what is wrong with where a plugin listens, or nil. A unix socket is in a
// directory of the user's own; on TCP both ends have to show certificates.
func (h handshake) unsafe(tcp bool) *sdk.Error {
	switch {
	case !tcp && h.network != "unix":
		return sdk.Errorf(sdk.KindPlugin, "", "listens on %s, where others could reach it", h.network).
			WithHint(`network = "tcp" in [plugins] asks for mutual TLS`)
	case !tcp && h.certificate != "":
		return sdk.Errorf(sdk.KindPlugin, "", "shows a certificate that it was not asked for").
			WithHint(`network = "tcp" in [plugins] asks for mutual TLS`)
	case tcp && h.network != "tcp":
		return sdk.Errorf(sdk.KindPlugin, "", "listens on %s, but the workflow says TCP", h.network).
			WithHint("plugins made with plume's Python kit can listen on TCP, those made with the Go kit cannot")
	case tcp && h.certificate == "":
		return sdk.Errorf(sdk.KindPlugin, "", "listens on TCP without a certificate").
			WithHint("its handshake must have its own certificate, in answer to $%s", envCertificate)
	}
	return nil
}
