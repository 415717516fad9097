package pushserver_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"usher/app/push/pushpb"
	"usher/callout/callouttest"
)

// The calls of AMS have the messages and codes of its push server.
func TestCalls(t *testing.T) {
	s := newSite(t)
	c := s.good(t)
	ctx := t.Context()
	const name = "/projects/p/subscriptions/s"
	activate := func(change func(*pushpb.Subscription)) (string, error) {
		r := activation("s")
		if change != nil {
			change(r.Subscription)
		}
		out, err := c.ActivateSubscription(ctx, r)
		return out.GetMessage(), err
	}
	deactivate := func(name string) (string, error) {
		out, err := c.DeactivateSubscription(ctx, &pushpb.DeactivateSubscriptionRequest{FullName: name})
		return out.GetMessage(), err
	}
	state := func(name string) (string, error) {
		out, err := c.SubscriptionStatus(ctx, &pushpb.SubscriptionStatusRequest{FullName: name})
		return out.GetStatus(), err
	}
	works := func() (string, error) {
		_, err := c.Status(ctx, &pushpb.StatusRequest{})
		return "", err
	}
	expect := func(message string, err error) func(codes.Code, string) {
		return func(code codes.Code, text string) {
			t.Helper()
			if err != nil {
				message = status.Convert(err).Message()
			}
			if status.Code(err) != code || message != text {
				t.Errorf("%s %q, expected %s %q", status.Code(err), message, code, text)
			}
		}
	}
	const unavailable = "The push service is currently unable to handle any requests"
	expect(works())(codes.Internal, unavailable+". The messaging service has not said yet what is to be pushed")
	expect(activate(nil))(codes.Internal, unavailable)
	expect(deactivate(name))(codes.Internal, unavailable)
	expect(state(name))(codes.Internal, unavailable)

	callouttest.Must(t, s.active.Load(ctx))
	expect(works())(codes.OK, "")
	expect(state(name))(codes.NotFound, "Subscription "+name+" is not active")
	expect(deactivate(name))(codes.NotFound, "Subscription "+name+" is not active")
	expect(activate(func(s *pushpb.Subscription) { s.PushConfig = nil }))(codes.InvalidArgument, "Empty subscription")
	expect(activate(func(s *pushpb.Subscription) { s.PushConfig.RetryPolicy = nil }))(codes.InvalidArgument, "Empty subscription")
	expect(activate(func(s *pushpb.Subscription) { s.PushConfig.RetryPolicy.Type = "unknown" }))(codes.InvalidArgument, "Invalid argument, worker unknown not yet implemented")
	expect(activate(func(s *pushpb.Subscription) { s.PushConfig.PushEndpoint = "x" }))(codes.InvalidArgument, "Invalid push endpoint, expected https://host/path")
	expect(activate(func(s *pushpb.Subscription) { s.PushConfig.AuthorizationHeader = "a\r\nX: b" }))(codes.InvalidArgument, "Invalid argument, authorization_header cannot be a header")
	expect(activate(func(s *pushpb.Subscription) { s.PushConfig.MaxMessages = -1 }))(codes.InvalidArgument, "Invalid argument, max_messages is negative")
	if len(s.active.List()) != 0 {
		t.Fatal("a subscription is active that was refused")
	}
	expect(activate(nil))(codes.OK, "Subscription "+name+" activated")
	expect(activate(nil))(codes.AlreadyExists, "Subscription "+name+" is already activated")
	expect(state(name))(codes.OK, "Subscription "+name+" is currently active")
	if list := s.active.List(); len(list) != 1 || list[0].Push.Endpoint != "https://receiver.example.org/path" || list[0].Push.RetryPeriod != 3000 {
		t.Errorf("active: %+v", list)
	}
	expect(deactivate(name))(codes.OK, "Subscription "+name+" deactivated")
	expect(deactivate(name))(codes.NotFound, "Subscription "+name+" is not active")
	if _, err := c.ActivateSubscription(ctx, &pushpb.ActivateSubscriptionRequest{}); status.Convert(err).Message() != "Empty subscription" {
		t.Errorf("no subscription: %v", err)
	}
}

// What is active comes back after a restart: the messaging service tells it.
func TestRestart(t *testing.T) {
	s := newSite(t)
	const config = `{"type":"http_endpoint","pushEndpoint":"https://r.example.org/","maxMessages":5,"verified":%v,"authorizationHeader":{"type":"autogen","value":"secret"},"retryPolicy":{"type":"slowstart"}}`
	s.ams.set(func() {
		s.ams.subs["/projects/p/subscriptions/verified"] = &queue{config: strings.ReplaceAll(config, "%v", "true")}
		s.ams.subs["/projects/p/subscriptions/unverified"] = &queue{config: strings.ReplaceAll(config, "%v", "false")}
		s.ams.subs["/projects/p/subscriptions/pulled"] = &queue{config: `{}`}
	})
	callouttest.Must(t, s.active.Load(t.Context()))
	list := s.active.List()
	if len(list) != 1 || list[0].Name != "verified" || list[0].Project != "p" || list[0].Push.MaxMessages != 5 || list[0].Push.RetryType != "slowstart" {
		t.Fatalf("active: %+v", list)
	}
	if header, err := list[0].Authorization(t.Context()); err != nil || header != "secret" {
		t.Errorf("authorization header %q: %v", header, err)
	}
}

// A messaging service that cannot be asked at the start is asked until it answers.
func TestStartBeforeMessagingService(t *testing.T) {
	s := newSite(t)
	s.ams.set(func() { s.ams.down = true })
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { done <- s.active.Load(ctx) }()
	callouttest.Eventually(t, "a failure is logged", func() bool { return strings.Contains(s.log.String(), "cannot ask which subscriptions") })
	if s.active.Ready() == nil {
		t.Error("ready without a list")
	}
	s.ams.set(func() { s.ams.down = false })
	callouttest.Must(t, <-done)
	callouttest.Must(t, s.active.Ready())
	if strings.Contains(s.log.String(), token) {
		t.Error("the log has the token")
	}
}
