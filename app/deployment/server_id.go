package deployment

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
)

// maxInfo limits the first line of a server, in bytes.
const maxInfo = 64 << 10

// ServerID returns the ID of the server at a URL, also of one that refuses the service user:
// a server sends its ID before it authenticates a client. Empty: it is not reachable, or it
// sends something else first (WebSocket, TLS first).
func ServerID(ctx context.Context, url string) string {
	ctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", Host(url))
	if err != nil {
		return ""
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() { stop(); _ = conn.Close() }()
	line, err := bufio.NewReader(io.LimitReader(conn, maxInfo)).ReadString('\n')
	text, found := strings.CutPrefix(line, "INFO ")
	var info struct {
		ID string `json:"server_id"`
	}
	if err != nil || !found || json.Unmarshal([]byte(text), &info) != nil {
		return ""
	}
	return info.ID
}
