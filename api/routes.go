package api

import (
	"net/http"
	"slices"

	"usher/api/wire"
	"usher/directory"
)

// The paths that many routes share.
const (
	pathProjects      = "/v1/projects"
	pathProject       = pathProjects + "/{project}"
	pathMembers       = pathProject + "/members"
	pathMember        = pathMembers + "/{user}"
	pathTopics        = pathProject + "/topics"
	pathTopic         = pathTopics + "/{topic}"
	pathSubscriptions = pathProject + "/subscriptions"
	pathSubscription  = pathSubscriptions + "/{subscription}"
	pathUsers         = "/v1/users"
	pathUser          = pathUsers + "/{user}"
	pathKeys          = pathUser + "/keys"
	pathKey           = pathKeys + "/{key}"
)

// admins are service administrators, and of some routes the holders of roles in
// the project too.
func admins(project ...directory.Role) Access {
	return Access{Service: []directory.ServiceRole{directory.ServiceRoleAdmin}, Project: project}
}

// Routes returns the table, in the order in which documents show it.
func Routes() []Route {
	return slices.Concat(serviceRoutes(), projectRoutes(), memberRoutes(), topicRoutes(), subscriptionRoutes(), userRoutes(), keyRoutes(), directoryRoutes())
}

func serviceRoutes() []Route {
	open := Access{Open: true}
	return []Route{
		{
			Name: "version.show", Method: http.MethodGet, Path: "/v1/version", Access: open,
			handle: showVersion,
			Doc:    "What runs there.", Answer: wire.Version{},
		},
		{
			Name: "status.show", Method: http.MethodGet, Path: "/v1/status", Access: open,
			handle: showStatus,
			Doc:    "How it is, and how current its view of the directory.", Answer: wire.Status{},
		},
		{
			Name: "openapi.show", Method: http.MethodGet, Path: "/v1/openapi.json", Access: open, Beyond: true,
			handle: showOpenAPI,
			Doc:    "This table as an OpenAPI document.", Answer: wire.Permissions{},
		},
	}
}

func projectRoutes() []Route {
	service, project := admins(), admins(directory.RoleProjectAdmin)
	const noun = "Project"
	return []Route{
		{
			Name: "project.list", Method: http.MethodGet, Path: pathProjects, Access: service,
			handle: listProjects,
			Doc:    "All projects.", Answer: wire.ProjectList{}, Paged: true,
		},
		{
			Name: "project.create", Method: http.MethodPost, Path: pathProject, Access: service,
			handle: createProject, Timeout: accountLimit,
			Doc: "Makes a project. One that states no account gets one of its own, if the service may make accounts (operator.create_accounts).", Noun: noun, Request: wire.ProjectInput{}, NoBody: true, Answer: wire.Project{}, Tagged: true,
		},
		{
			Name: "project.show", Method: http.MethodGet, Path: pathProject, Access: project,
			handle: showProject,
			Doc:    "One project.", Answer: wire.Project{}, Tagged: true,
		},
		{
			Name: "project.update", Method: http.MethodPut, Path: pathProject, Access: project,
			handle: updateProject,
			Doc:    "Changes a project; only a service_admin may give it another name or account.", Noun: noun, Request: wire.ProjectInput{}, Answer: wire.Project{}, Tagged: true,
		},
		{
			Name: "project.delete", Method: http.MethodDelete, Path: pathProject, Access: project,
			handle: deleteProject,
			Doc:    "Removes a project with its topics, subscriptions and memberships, and closes the account that was made for it, if the service may (operator.create_accounts).", Tagged: true,
			Left: true, Timeout: accountLimit,
			Query: []Parameter{{paramPurge, "true: the streams of the account that is closed are deleted."}},
		},
	}
}

func memberRoutes() []Route {
	access := admins(directory.RoleProjectAdmin)
	return []Route{
		{
			Name: "member.list", Method: http.MethodGet, Path: pathMembers, Access: access,
			handle: listMembers,
			Doc:    "The members of a project.", Answer: wire.UserList{}, Paged: true,
		},
		{
			Name: "member.show", Method: http.MethodGet, Path: pathMember, Access: access,
			handle: showMember,
			Doc:    "One member.", Answer: wire.User{}, Tagged: true,
		},
		{
			Name: "member.create", Method: http.MethodPost, Path: pathMember, Access: access,
			handle: createMember,
			Doc:    "Makes a user that is a member of this project, with a key, which is shown this once.",
			Noun:   "User", Request: wire.UserInput{}, Answer: wire.UserCreated{}, Tagged: true,
		},
		{
			Name: "member.update", Method: http.MethodPut, Path: pathMember, Access: access,
			handle: updateMember,
			Doc:    "Changes the roles of a member in this project, and nothing else.",
			Noun:   "User", Request: wire.UserInput{}, Answer: wire.User{}, Tagged: true,
		},
		{
			Name: "member.add", Method: http.MethodPost, Path: pathMember + ":add", Access: access,
			handle: addMember,
			Doc:    "Makes a user that exists a member.", Request: wire.ProjectRoles{}, Answer: wire.User{}, Tagged: true,
		},
		{
			Name: "member.remove", Method: http.MethodPost, Path: pathMember + ":remove", Access: access,
			handle: removeMember,
			Doc:    "Takes a member out of the project and its ACLs.", Answer: wire.Empty{}, Tagged: true,
		},
	}
}

func topicRoutes() []Route {
	admin, reader := admins(directory.RoleProjectAdmin), admins(directory.RoleProjectAdmin, directory.RolePublisher)
	return []Route{
		{
			Name: "topic.list", Method: http.MethodGet, Path: pathTopics, Access: reader,
			handle: listTopics,
			Doc:    "The topics of a project; a publisher sees those whose ACL names it.", Answer: wire.TopicList{}, Paged: true,
		},
		{
			Name: "topic.show", Method: http.MethodGet, Path: pathTopic, Access: reader,
			handle: showTopic,
			Doc:    "One topic; a publisher has to be in its ACL.", Answer: wire.Topic{}, Tagged: true,
		},
		{
			Name: "topic.create", Method: http.MethodPut, Path: pathTopic, Access: admin,
			handle: createTopic,
			Doc:    "Makes a topic with an empty ACL.", Noun: "Topic", Request: wire.TopicInput{}, NoBody: true, Answer: wire.Topic{}, Tagged: true,
		},
		{
			Name: "topic.delete", Method: http.MethodDelete, Path: pathTopic, Access: admin,
			handle: deleteTopic,
			Doc:    "Removes a topic that no subscription reads.", Tagged: true,
		},
		{
			Name: "topic.acl", Method: http.MethodGet, Path: pathTopic + ":acl", Access: admin,
			handle: topicACLs().show,
			Doc:    "Who may publish to a topic.", Answer: wire.ACL{}, Tagged: true,
		},
		{
			Name: "topic.modify_acl", Method: http.MethodPost, Path: pathTopic + ":modifyAcl", Access: admin,
			handle: topicACLs().modify,
			Doc:    "Replaces the list of who may publish to a topic.", Noun: "Topic ACL", Request: wire.ACL{}, Tagged: true,
		},
		{
			Name: "topic.subscriptions", Method: http.MethodGet, Path: pathTopic + "/subscriptions", Access: admin,
			handle: listReaders,
			Doc:    "The subscriptions that read a topic.", Answer: wire.SubscriptionNames{},
		},
	}
}

func subscriptionRoutes() []Route {
	admin, reader := admins(directory.RoleProjectAdmin), admins(directory.RoleProjectAdmin, directory.RoleConsumer)
	return []Route{
		{
			Name: "subscription.list", Method: http.MethodGet, Path: pathSubscriptions, Access: reader,
			handle: listSubscriptions,
			Doc:    "The subscriptions of a project; a consumer sees those whose ACL names it.", Answer: wire.SubscriptionList{}, Paged: true,
		},
		{
			Name: "subscription.show", Method: http.MethodGet, Path: pathSubscription, Access: reader,
			handle: showSubscription,
			Doc:    "One subscription; a consumer has to be in its ACL.", Answer: wire.Subscription{}, Tagged: true,
		},
		{
			Name: "subscription.create", Method: http.MethodPut, Path: pathSubscription, Access: admin,
			handle: createSubscription,
			Doc:    "Makes a subscription to a topic of the same project, with an empty ACL.", Noun: "Subscription", Request: wire.SubscriptionInput{}, Answer: wire.Subscription{}, Tagged: true,
		},
		{
			Name: "subscription.delete", Method: http.MethodDelete, Path: pathSubscription, Access: admin,
			handle: deleteSubscription,
			Doc:    "Removes a subscription.", Tagged: true,
		},
		{
			Name: "subscription.acl", Method: http.MethodGet, Path: pathSubscription + ":acl", Access: admin,
			handle: subscriptionACLs().show,
			Doc:    "Who may consume a subscription.", Answer: wire.ACL{}, Tagged: true,
		},
		{
			Name: "subscription.modify_acl", Method: http.MethodPost, Path: pathSubscription + ":modifyAcl", Access: admin,
			handle: subscriptionACLs().modify,
			Doc:    "Replaces the list of who may consume a subscription.", Noun: "Subscription ACL", Request: wire.ACL{}, Tagged: true,
		},
	}
}
