package activation

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"slices"

	"google.golang.org/protobuf/proto"

	"usher/app/push/pushpb"
	"usher/directory"
	"usher/directory/snapshot"
)

const mattermost = "mattermost" // directory.Push.Type

// wanted is a subscription that is to be pushed.
type wanted struct {
	request *pushpb.ActivateSubscriptionRequest
	digest  [sha256.Size]byte // another one after every change
}

// fullName is the name of a subscription as AMS writes it.
func fullName(project, subscription string) string {
	return "/projects/" + project + "/subscriptions/" + subscription
}

// pushed reports whether a subscription is to be pushed.
func pushed(sub *directory.Subscription) bool {
	return sub.Push != nil && (sub.Push.Verified || sub.Push.Type == mattermost)
}

// wantedOf returns what is to be pushed by full name, and the names of all other
// subscriptions. One whose authorization header is not known now is in neither.
func wantedOf(ctx context.Context, s *snapshot.Snapshot, authorization Authorization) (want map[string]wanted, others []string, err error) {
	want = map[string]wanted{}
	for p := range s.Projects() {
		for i := range p.Subscriptions {
			sub := &p.Subscriptions[i]
			name := fullName(p.Name, sub.Name)
			if !pushed(sub) {
				others = append(others, name)
				continue
			}
			header, problem := authorization(ctx, p, sub)
			if problem != nil {
				err = fmt.Errorf("authorization header of subscription %s: %w", name, problem)
				continue
			}
			request := requestOf(p.Name, sub, header)
			text, problem := proto.MarshalOptions{Deterministic: true}.Marshal(request)
			if problem != nil {
				err = fmt.Errorf("subscription %s: %w", name, problem)
				continue
			}
			want[name] = wanted{request: request, digest: sha256.Sum256(text)}
		}
	}
	return want, others, err
}

func requestOf(project string, sub *directory.Subscription, header string) *pushpb.ActivateSubscriptionRequest {
	p := sub.Push
	kind := pushpb.PushType_HTTP_ENDPOINT
	if p.Type == mattermost {
		kind = pushpb.PushType_MATTERMOST
	}
	return &pushpb.ActivateSubscriptionRequest{Subscription: &pushpb.Subscription{
		FullName: fullName(project, sub.Name), FullTopic: "/projects/" + project + "/topics/" + sub.Topic,
		PushConfig: &pushpb.PushConfig{
			PushEndpoint: p.Endpoint, MaxMessages: int64(max(1, p.MaxMessages)), AuthorizationHeader: header, Type: kind,
			RetryPolicy:   &pushpb.RetryPolicy{Type: cmp.Or(p.RetryType, "linear"), Period: uint32(max(0, p.RetryPeriod))}, //nolint:gosec // milliseconds, checked by the directory
			MattermostUrl: p.MattermostURL, MattermostUsername: p.MattermostUsername, MattermostChannel: p.MattermostChannel,
			Base_64Decode: p.Base64Decode,
		},
	}}
}

// order sorts servers by how much a subscription prefers them (rendezvous hashing): every
// process has the same order, and a server that is added or removed moves only what it gets
// or had.
func order(servers []*server, name string) []*server {
	weight := func(s *server) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(s.Name + "\n" + name)) // does not fail
		return h.Sum64()
	}
	sorted := slices.Clone(servers)
	slices.SortStableFunc(sorted, func(a, b *server) int { return cmp.Compare(weight(b), weight(a)) })
	return sorted
}
