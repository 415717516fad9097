package stanbridge

import (
	"errors"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"usher/app/stanbridge/stanpb"
)

// The subjects of the protocol, before the cluster ID.
const (
	prefixDiscover = "_STAN.discover."
	prefixPub      = "_STAN.pub."
	prefixSub      = "_STAN.sub."
	prefixUnsub    = "_STAN.unsub."
	prefixSubClose = "_STAN.subclose."
	prefixClose    = "_STAN.close."
	pings          = ".pings" // after the cluster ID
)

// protocol is the version of the protocol from which clients have connection IDs and pings.
const protocol = 1

// The errors of the protocol. Clients show them, and compare some by their text.
var (
	errInvalidConnect  = errors.New("stan: invalid connection request")
	errInvalidClientID = errors.New("stan: invalid clientID: only alphanumeric and `-` or `_` characters allowed")
	errInvalidClose    = errors.New("stan: invalid close request")
	errUnknownClient   = errors.New("stan: unknown clientID")
	errInvalidPublish  = errors.New("stan: invalid publish request")
	errUnknownConn     = errors.New("client has been replaced or is no longer registered")
	errNoSubscriptions = errors.New("stan: this cluster does not serve subscriptions: read the JetStream stream")
)

// The longest identifiers, in bytes. Those of stan.go have 22. What clients choose goes into
// headers and memory.
const (
	maxClientID = 256
	maxConnID   = 128
	maxGUID     = 128
)

var clientID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`) //nolint:gochecknoglobals // a compiled constant

func validClientID(id string) bool { return len(id) <= maxClientID && clientID.MatchString(id) }

// onConnect answers every well-formed request. A client ID that is in use is no error: the
// other client is not replaced, and both may publish.
func (b *Bridge) onConnect(m *nats.Msg) {
	r, id := b.connect(m.Data)
	if r.GetError() != "" {
		b.counts.refuse(ReasonMalformed)
	} else {
		b.clients.seen(id, b.cfg.Now())
		b.counts.connects.Add(1)
	}
	b.send(m.Reply, r)
}

// connect returns the answer to a ConnectRequest, and the client ID.
func (b *Bridge) connect(data []byte) (r *stanpb.ConnectResponse, id string) {
	var req stanpb.ConnectRequest
	switch err := proto.Unmarshal(data, &req); {
	case err != nil || req.GetHeartbeatInbox() == "" || len(req.GetConnId()) > maxConnID:
		return &stanpb.ConnectResponse{Error: errInvalidConnect.Error()}, ""
	case !validClientID(req.GetClientId()):
		return &stanpb.ConnectResponse{Error: errInvalidClientID.Error()}, ""
	}
	c := b.cfg.Cluster
	r = &stanpb.ConnectResponse{
		PubPrefix: prefixPub + c, SubRequests: prefixSub + c, UnsubRequests: prefixUnsub + c,
		SubCloseRequests: prefixSubClose + c, CloseRequests: prefixClose + c, Protocol: protocol,
	}
	if req.GetProtocol() >= protocol {
		r.PingRequests, r.PingInterval, r.PingMaxOut = prefixDiscover+c+pings, req.GetPingInterval(), req.GetPingMaxOut()
	}
	return r, req.GetClientId()
}

// onPing answers that the connection is known, whoever it was established with: a client
// that is told otherwise gives up.
func (b *Bridge) onPing(m *nats.Msg) {
	r := ping(m.Data)
	if r.GetError() != "" || r == nil {
		b.counts.refuse(ReasonMalformed)
	}
	if r != nil {
		b.send(m.Reply, r)
	}
}

// ping returns the answer to a Ping; nil: none, as NATS Streaming.
func ping(data []byte) *stanpb.PingResponse {
	var req stanpb.Ping
	if len(data) == 0 || proto.Unmarshal(data, &req) != nil {
		return nil
	}
	if n := len(req.GetConnId()); n == 0 || n > maxConnID {
		return &stanpb.PingResponse{Error: errUnknownConn.Error()}
	}
	return &stanpb.PingResponse{}
}

// onClose answers that the connection is closed. There is nothing to close: nobody can end
// the connection of another client.
func (b *Bridge) onClose(m *nats.Msg) {
	r := closed(m.Data)
	if r.GetError() != "" {
		b.counts.refuse(ReasonMalformed)
	}
	b.send(m.Reply, r)
}

// closed returns the answer to a CloseRequest.
func closed(data []byte) *stanpb.CloseResponse {
	var req stanpb.CloseRequest
	switch err := proto.Unmarshal(data, &req); {
	case err != nil:
		return &stanpb.CloseResponse{Error: errInvalidClose.Error()}
	case !validClientID(req.GetClientId()):
		return &stanpb.CloseResponse{Error: errUnknownClient.Error()}
	}
	return &stanpb.CloseResponse{}
}

// onSubscription refuses every request about a subscription.
func (b *Bridge) onSubscription(m *nats.Msg) {
	b.counts.refuse(ReasonSubscription)
	b.send(m.Reply, &stanpb.SubscriptionResponse{Error: errNoSubscriptions.Error()})
}

// send answers a request. A message without data is an answer too: that all is well.
func (b *Bridge) send(reply string, r proto.Message) {
	if reply == "" {
		return // nobody waits
	}
	if !answerable(reply) {
		b.counts.unanswered.Add(1)
		return
	}
	data, err := proto.Marshal(r)
	if err == nil {
		err = b.nc.Publish(reply, data)
	}
	if err != nil {
		b.counts.unanswered.Add(1)
	}
}

// answerable reports whether a subject can be one on which a client waits for an answer.
// NATS does not check the permissions of a client for it, so a client could make the bridge
// publish anywhere.
func answerable(reply string) bool {
	for _, prefix := range []string{"_INBOX", "_R_.", "_HB.", "_STAN.acks."} {
		if strings.HasPrefix(reply, prefix) {
			return true
		}
	}
	return false
}
