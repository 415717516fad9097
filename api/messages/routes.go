package messages

import (
	"net/http"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

const (
	pathProject      = "/v1/projects/{project}"
	pathTopic        = pathProject + "/topics/{topic}"
	pathSubscription = pathProject + "/subscriptions/{subscription}"
)

// ProjectRoutes returns the routes about all messages of a project.
func (h *Handlers) ProjectRoutes() []rest.Route {
	return []rest.Route{{
		Name: "project.metrics", Method: http.MethodGet, Path: pathProject + ":metrics", Handler: h.projectMetrics,
		Access:   rest.Readers(directory.RoleProjectAdmin),
		Doc:      "Counts the topics and subscriptions of a project, and those that each member may use.",
		Response: wire.MetricList{},
	}}
}

// TopicRoutes returns the routes about messages of a topic.
func (h *Handlers) TopicRoutes() []rest.Route {
	publisher := []directory.Role{directory.RoleProjectAdmin, directory.RolePublisher}
	return []rest.Route{
		{
			Name: "topic.publish", Method: http.MethodPost, Path: pathTopic + ":publish", Handler: h.limited(h.publish),
			Access: rest.Admins(publisher...),
			Doc:    "Publishes messages. The answer comes when all are stored. A publisher must be in the ACL of the topic. With the header `Idempotency-Key`, messages of the same request that is sent again within the duplicate window of the stream are stored once.",
			Body:   wire.Publish{}, BodyName: "Message", ReadsBody: true, MaxBody: maxBody, Response: wire.MessageIDs{},
			KeepsDirectory: true, MovesMessages: true,
		},
		{
			Name: "topic.metrics", Method: http.MethodGet, Path: pathTopic + ":metrics", Handler: h.handler(h.topicMetrics),
			Access:   rest.Readers(publisher...),
			Doc:      "Counts the messages of a topic. A publisher must be in its ACL.",
			Response: wire.MetricList{},
		},
	}
}

// SubscriptionRoutes returns the routes about messages of a subscription.
func (h *Handlers) SubscriptionRoutes() []rest.Route {
	consumer := []directory.Role{directory.RoleProjectAdmin, directory.RoleConsumer}
	access, reader := rest.Admins(consumer...), rest.Readers(consumer...)
	return []rest.Route{
		{
			Name: "subscription.pull", Method: http.MethodPost, Path: pathSubscription + ":pull", Handler: h.limited(h.pull),
			Access: access.AndPushWorkers(),
			Doc:    "Returns messages, each with an id by which it is acknowledged. A consumer must be in the ACL of the subscription. Only a push_worker or a service_admin can pull messages that are pushed.",
			Body:   wire.Pull{}, BodyName: "Pull Parameters", ReadsBody: true, MaxBody: maxSmall, OptionalBody: true, Response: wire.ReceivedMessages{},
			KeepsDirectory: true, MovesMessages: true,
		},
		{
			Name: "subscription.acknowledge", Method: http.MethodPost, Path: pathSubscription + ":acknowledge", Handler: h.limited(h.acknowledge),
			Access: access.AndPushWorkers(),
			Doc:    "Acknowledges messages: all of the request, or none. 408 `ack timeout`: an id is not one of this subscription, or its ack deadline has passed.",
			Body:   wire.Acknowledge{}, BodyName: "Ack", ReadsBody: true, MaxBody: maxAckBody, Response: wire.Empty{},
			KeepsDirectory: true, MovesMessages: true,
		},
		{
			Name: "subscription.offsets", Method: http.MethodGet, Path: pathSubscription + ":offsets", Access: reader, Handler: h.handler(h.offsets),
			Doc:      "Returns where a subscription is in the stream of the project.",
			Response: wire.Offsets{},
		},
		{
			Name: "subscription.modify_offset", Method: http.MethodPost, Path: pathSubscription + ":modifyOffset", Access: access, Handler: h.handler(h.modifyOffset),
			Doc:  "Lets a subscription go on at an offset. Messages that are out for acknowledgement are forgotten.",
			Body: wire.OffsetInput{}, BodyName: "Offset", MaxBody: maxSmall, KeepsDirectory: true,
		},
		{
			Name: "subscription.time_to_offset", Method: http.MethodGet, Path: pathSubscription + ":timeToOffset", Access: reader, Handler: h.handler(h.timeToOffset),
			Doc:      "Returns the offset of the first message that was published at a time or later.",
			Query:    []rest.Parameter{{Name: paramTime, Doc: "The time, such as 2006-01-02T15:04:05.000Z."}},
			Response: wire.Offset{},
		},
		{
			Name: "subscription.metrics", Method: http.MethodGet, Path: pathSubscription + ":metrics", Access: reader, Handler: h.handler(h.subscriptionMetrics),
			Doc:      "Counts the messages that a subscription has consumed and still has to. A consumer must be in its ACL.",
			Response: wire.MetricList{},
		},
	}
}
