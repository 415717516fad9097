package stanbridge

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"usher/app/stanbridge/stanpb"
)

func bridgeForTest() *Bridge {
	return &Bridge{
		cfg:      Config{Cluster: "event-service", MaxPayload: 1 << 20},
		channels: map[string]string{"habitat": "stan.habitat"},
	}
}

func seed(f *testing.F, all ...proto.Message) {
	f.Helper()
	for _, m := range all {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
}

// notProto is no protobuf.
func notProto() []byte { return []byte{0xff, 0xff, 0xff, 0xff, 0xff} }

func FuzzConnect(f *testing.F) {
	f.Add(notProto())
	seed(f, &stanpb.ConnectRequest{ClientId: "a", HeartbeatInbox: "_HB.x"},
		&stanpb.ConnectRequest{ClientId: "a", HeartbeatInbox: "_INBOX.x", Protocol: 1, ConnId: []byte("c"), PingInterval: -1, PingMaxOut: 3},
		&stanpb.ConnectRequest{ClientId: "a.*", HeartbeatInbox: "x"})
	b := bridgeForTest()
	f.Fuzz(func(t *testing.T, data []byte) {
		r, id := b.connect(data)
		if (r.GetError() == "") != validClientID(id) {
			t.Errorf("client %q: %v", id, r)
		}
		if r.GetError() == "" && (r.GetPubPrefix() != "_STAN.pub.event-service" || r.GetPublicKey() != "") {
			t.Errorf("%v", r)
		}
	})
}

func FuzzPing(f *testing.F) {
	f.Add(notProto())
	seed(f, &stanpb.Ping{ConnId: []byte("c")}, &stanpb.Ping{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var p stanpb.Ping
		r := ping(data)
		bad := len(data) == 0 || proto.Unmarshal(data, &p) != nil
		if (r == nil) != bad || r != nil && (r.GetError() == "") != (len(p.GetConnId()) > 0 && len(p.GetConnId()) <= maxConnID) {
			t.Errorf("%q: %v", data, r)
		}
	})
}

func FuzzClose(f *testing.F) {
	f.Add(notProto())
	seed(f, &stanpb.CloseRequest{ClientId: "a"}, &stanpb.CloseRequest{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var p stanpb.CloseRequest
		if r := closed(data); (r.GetError() == "") != (proto.Unmarshal(data, &p) == nil && validClientID(p.GetClientId())) {
			t.Errorf("%q: %v", data, r)
		}
	})
}

// What goes into the stream has a subject of the configuration, and headers that are one
// line each.
func FuzzPublish(f *testing.F) {
	f.Add(notProto())
	seed(f, &stanpb.PubMsg{ClientId: "a", Guid: "g", Subject: "habitat", Data: []byte("x"), ConnId: []byte("c")},
		&stanpb.PubMsg{Guid: "g", Subject: "habitat", ConnId: []byte("c")},
		&stanpb.PubMsg{ClientId: "a", Guid: "g\r\nNats-Rollup: all", Subject: "habitat"},
		&stanpb.PubMsg{ClientId: "a", Guid: "g", Subject: "habitat.>"})
	b := bridgeForTest()
	f.Fuzz(func(t *testing.T, data []byte) {
		var p stanpb.PubMsg
		if proto.Unmarshal(data, &p) != nil {
			return
		}
		m, sender, refused := b.convert("_STAN.pub.event-service.habitat", &p)
		if refused.err != nil {
			return
		}
		if m.Subject != "stan.habitat" || sender == "" || m.Reply != "" || len(m.Header) > 4 {
			t.Errorf("%s from %q: %v", m.Subject, sender, m.Header)
		}
		for key, values := range m.Header {
			if len(values) != 1 || values[0] == "" || len(values[0]) > 256 || strings.ContainsAny(values[0], "\r\n") {
				t.Errorf("%s: %q", key, values)
			}
		}
	})
}
