//go:build unix

package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"usher/app/apptest/messagestest"
	"usher/app/pki"
	"usher/app/push/pushpb"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// messagingAPI is the API of an Argo Messaging Service with one subscription, p/s, and its
// messages 1 to n.
type messagingAPI struct {
	mu     sync.Mutex
	n      int
	offset int // of what is acknowledged
}

func (m *messagingAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const sub = "/v1/projects/p/subscriptions/s"
	switch {
	case r.Header.Get("x-api-key") != pushHeader:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/v1/users/profile":
		_, _ = fmt.Fprint(w, `{"projects":[]}`)
	case r.URL.Path == sub+":pull":
		received := []any{}
		if m.offset < m.n {
			received = append(received, map[string]any{"ackId": "projects/p/subscriptions/s:" + strconv.Itoa(m.offset), "message": map[string]any{
				"messageId": strconv.Itoa(m.offset), "data": base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(m.offset + 1))), "publishTime": "2025-08-01T10:00:00.5Z",
			}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"receivedMessages": received})
	case r.URL.Path == sub+":acknowledge":
		m.offset++ // one is out at a time
		_, _ = fmt.Fprint(w, `{}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// pushForMessaging: a messaging service activates a subscription over gRPC with mutual TLS.
// Its messages reach the endpoint.
func pushForMessaging(t *testing.T, s *messagestest.Site, r *pushReceiver, text string) {
	t.Helper()
	ams := &messagingAPI{n: 5}
	api := httptest.NewTLSServer(ams) // has the certificate of every httptest.Server
	t.Cleanup(api.Close)
	dir := pki.Dir(s.Path("push-pki"))
	authority, err := dir.Create("push", 0, time.Now())
	callouttest.Must(t, err)
	callouttest.Must(t, dir.Issue(&pki.Request{CN: "push.example.org", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true, Now: time.Now()}))
	s.Write(t, "ams.token", pushHeader+"\n")
	callouttest.Must(t, os.Chmod(s.Path("ams.token"), 0o600))
	address := fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
	grpcText := text + fmt.Sprintf(`  grpc:
    listen: %s
    tls: {cert_file: push-pki/push.example.org.pem, key_file: push-pki/push.example.org.key}
    client_ca_file: push-pki/ca.pem
    common_names: [ams.example.org]
    messages: {url: %q, token_file: ams.token, ca_file: receiver-ca.pem}
`, address, api.URL)
	s.Write(t, setup.FileConfig, grpcText)
	w := startPush(t, s.Config())

	pool := x509.NewCertPool()
	pool.AddCert(authority.Cert)
	calls := map[string]pushpb.PushServiceClient{}
	for _, cn := range []string{"ams.example.org", "other.example.org"} {
		issued, err := authority.Issue(&pki.Request{CN: cn, Client: true, Now: time.Now()})
		callouttest.Must(t, err)
		pair, err := tls.X509KeyPair(issued.Cert, issued.Key)
		callouttest.Must(t, err)
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		})))
		callouttest.Must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		calls[cn] = pushpb.NewPushServiceClient(conn)
	}
	const name = "/projects/p/subscriptions/s"
	activate := &pushpb.ActivateSubscriptionRequest{Subscription: &pushpb.Subscription{
		FullName: name, FullTopic: "/projects/p/topics/t",
		PushConfig: &pushpb.PushConfig{
			PushEndpoint: r.URL + "/ams", MaxMessages: 1, AuthorizationHeader: pushHeader, RetryPolicy: &pushpb.RetryPolicy{Type: "linear", Period: 50},
		},
	}}
	if _, err := calls["other.example.org"].ActivateSubscription(t.Context(), activate); status.Code(err) != codes.Unauthenticated {
		t.Errorf("another certificate: %v", err)
	}
	client := calls["ams.example.org"]
	_, err = client.ActivateSubscription(t.Context(), activate)
	callouttest.Must(t, err)
	r.arrived(t, ams.n, name)
	callouttest.Eventually(t, "everything is acknowledged", func() bool {
		ams.mu.Lock()
		defer ams.mu.Unlock()
		return ams.offset == ams.n
	})
	if said, err := client.SubscriptionStatus(t.Context(), &pushpb.SubscriptionStatusRequest{FullName: name}); err != nil || !strings.Contains(said.GetStatus(), "active") {
		t.Errorf("status: %v, %v", said, err)
	}
	_, err = client.DeactivateSubscription(t.Context(), &pushpb.DeactivateSubscriptionRequest{FullName: name})
	callouttest.Must(t, err)
	callouttest.Eventually(t, "it is not pushed any more", func() bool { return w.subscriptions() == 4 })
	w.terminate(t)

	s.Write(t, setup.FileConfig, strings.Replace(grpcText, "token_file: ams.token", "token_file: none.token", 1))
	if code, _, stderr := usher(t, "push", "-c", s.Config()); code != cmdutil.ExitConfig || !strings.Contains(stderr, "push.grpc.messages.token_file: ") {
		t.Errorf("without the token: %d\n%s", code, stderr)
	}
}

// TestPushNeedsBucket: a directory file cannot be pushed from.
func TestPushNeedsBucket(t *testing.T) {
	t.Parallel()
	in := initialized(t)
	if code, _, stderr := usher(t, "push", "-c", in.Config()); code != cmdutil.ExitConfig || !strings.Contains(stderr, "hint: set directory.from: kv") {
		t.Errorf("%d\n%s", code, stderr)
	}
}
