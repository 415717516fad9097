package projects

import (
	"net/http"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

const (
	pathProjects      = "/v1/projects"
	pathProject       = pathProjects + "/{project}"
	pathTopics        = pathProject + "/topics"
	pathTopic         = pathTopics + "/{topic}"
	pathSubscriptions = pathProject + "/subscriptions"
	pathSubscription  = pathSubscriptions + "/{subscription}"
)

// ProjectRoutes returns the routes of projects.
func (h *Handlers) ProjectRoutes() []rest.Route {
	service, project, reader := rest.Admins(), rest.Admins(directory.RoleProjectAdmin), rest.Readers(directory.RoleProjectAdmin)
	return []rest.Route{
		{
			Name: "project.list", Method: http.MethodGet, Path: pathProjects, Access: rest.Readers(), Handler: listProjects,
			Doc:      "Lists all projects.",
			Response: wire.ProjectList{}, Paged: true,
		},
		{
			Name: "project.create", Method: http.MethodPost, Path: pathProject, Access: service, Handler: h.createProject,
			Doc:  "Creates a project. A project that sets no account gets one of its own, if the service may create accounts (`operator.create_accounts`).",
			Body: wire.ProjectInput{}, BodyName: "Project", OptionalBody: true, Response: wire.Project{}, ETag: true,
			Timeout: accountTimeout,
		},
		{
			Name: "project.show", Method: http.MethodGet, Path: pathProject, Access: reader, Handler: showProject,
			Doc:      "Returns a project.",
			Response: wire.Project{}, ETag: true,
		},
		{
			Name: "project.update", Method: http.MethodPut, Path: pathProject, Access: project, Handler: h.updateProject,
			Doc:  "Changes a project. Only a service_admin can change its name or account.",
			Body: wire.ProjectInput{}, BodyName: "Project", Response: wire.Project{}, ETag: true,
		},
		{
			Name: "project.delete", Method: http.MethodDelete, Path: pathProject, Access: project, Handler: h.deleteProject,
			Doc:   "Removes a project with its topics, subscriptions and memberships. It also closes the account that was created for the project, if the service may (`operator.create_accounts`). If usher keeps the streams (`projects.streams: managed`), a project with messages is removed only with `purge`.",
			Query: []rest.Parameter{{Name: paramPurge, Doc: "true: deletes the streams of the account that is closed, and the stream that usher keeps for the project, with their messages."}}, ETag: true,
			Timeout: accountTimeout, ProjectMayMiss: h.CreatesAccounts(),
		},
	}
}

// TopicRoutes returns the routes of topics and their ACLs.
func (h *Handlers) TopicRoutes() []rest.Route {
	admin, viewer := rest.Admins(directory.RoleProjectAdmin), rest.Readers(directory.RoleProjectAdmin)
	reader := rest.Readers(directory.RoleProjectAdmin, directory.RolePublisher)
	return []rest.Route{
		{
			Name: "topic.list", Method: http.MethodGet, Path: pathTopics, Access: reader, Handler: listTopics,
			Doc:      "Lists the topics of a project. A publisher sees the topics whose ACL names it.",
			Response: wire.TopicList{}, Paged: true,
		},
		{
			Name: "topic.show", Method: http.MethodGet, Path: pathTopic, Access: reader, Handler: showTopic,
			Doc:      "Returns a topic. A publisher must be in its ACL.",
			Response: wire.Topic{}, ETag: true,
		},
		{
			Name: "topic.create", Method: http.MethodPut, Path: pathTopic, Access: admin, Handler: h.createTopic,
			Doc:  "Creates a topic with an empty ACL.",
			Body: wire.TopicInput{}, BodyName: "Topic", OptionalBody: true, Response: wire.Topic{}, ETag: true,
		},
		{
			Name: "topic.delete", Method: http.MethodDelete, Path: pathTopic, Access: admin, Handler: h.deleteTopic,
			Doc:   "Removes a topic. No subscription may read it. If usher keeps the streams (`projects.streams: managed`), a topic with messages is removed only with `purge`.",
			Query: []rest.Parameter{{Name: paramPurge, Doc: "true: removes the topic although its messages are lost."}}, ETag: true,
		},
		{
			Name: "topic.acl", Method: http.MethodGet, Path: pathTopic + ":acl", Access: viewer, Handler: topicACLs().show,
			Doc:      "Returns who may publish to a topic.",
			Response: wire.ACL{}, ETag: true,
		},
		{
			Name: "topic.modify_acl", Method: http.MethodPost, Path: pathTopic + ":modifyAcl", Access: admin, Handler: topicACLs().modify,
			Doc:  "Replaces the list of who may publish to a topic.",
			Body: wire.ACL{}, BodyName: "Topic ACL", ETag: true,
		},
		{
			Name: "topic.subscriptions", Method: http.MethodGet, Path: pathTopic + "/subscriptions", Access: viewer, Handler: listTopicSubscriptions,
			Doc:      "Lists the subscriptions that read a topic.",
			Response: wire.SubscriptionNames{},
		},
	}
}

// SubscriptionRoutes returns the routes of subscriptions and their ACLs.
func (h *Handlers) SubscriptionRoutes() []rest.Route {
	admin, viewer := rest.Admins(directory.RoleProjectAdmin), rest.Readers(directory.RoleProjectAdmin)
	reader := rest.Readers(directory.RoleProjectAdmin, directory.RoleConsumer)
	return []rest.Route{
		{
			Name: "subscription.list", Method: http.MethodGet, Path: pathSubscriptions, Access: reader, Handler: listSubscriptions,
			Doc:      "Lists the subscriptions of a project. A consumer sees the subscriptions whose ACL names it.",
			Response: wire.SubscriptionList{}, Paged: true,
		},
		{
			Name: "subscription.show", Method: http.MethodGet, Path: pathSubscription, Access: reader.AndPushWorkers(), Handler: h.showSubscription,
			Doc:      "Returns a subscription. A consumer must be in its ACL.",
			Response: wire.Subscription{}, ETag: true,
		},
		{
			Name: "subscription.create", Method: http.MethodPut, Path: pathSubscription, Access: admin, Handler: h.createSubscription,
			Doc:  "Creates a subscription to a topic of the same project, with an empty ACL.",
			Body: wire.SubscriptionInput{}, BodyName: "Subscription", Response: wire.Subscription{}, ETag: true,
		},
		{
			Name: "subscription.modify_ack_deadline", Method: http.MethodPost, Path: pathSubscription + ":modifyAckDeadline", Handler: h.modifyAckDeadline,
			Access: rest.Admins(directory.RoleProjectAdmin, directory.RoleConsumer),
			Doc:    "Changes the ack deadline of a subscription. A consumer must be in its ACL.",
			Body:   wire.AckDeadline{}, BodyName: ackDeadlineName, ETag: true,
		},
		{
			Name: "subscription.delete", Method: http.MethodDelete, Path: pathSubscription, Access: admin, Handler: h.deleteSubscription,
			Doc:   "Removes a subscription. If usher keeps the streams (`projects.streams: managed`), one with messages that nobody has acknowledged is removed only with `purge`.",
			Query: []rest.Parameter{{Name: paramPurge, Doc: "true: removes the subscription although its messages are lost."}}, ETag: true,
		},
		{
			Name: "subscription.acl", Method: http.MethodGet, Path: pathSubscription + ":acl", Access: viewer, Handler: subscriptionACLs().show,
			Doc:      "Returns who may consume a subscription.",
			Response: wire.ACL{}, ETag: true,
		},
		{
			Name: "subscription.modify_acl", Method: http.MethodPost, Path: pathSubscription + ":modifyAcl", Access: admin, Handler: subscriptionACLs().modify,
			Doc:  "Replaces the list of who may consume a subscription.",
			Body: wire.ACL{}, BodyName: "Subscription ACL", ETag: true,
		},
	}
}
