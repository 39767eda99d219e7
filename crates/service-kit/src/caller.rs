//! The person behind a request.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{SecurityScheme, auth::Bearer};
use shared_schemas::{
    SessionId, UserId,
    envelope::Metadata,
    user::{AccountStatus, Role},
};
use uuid::Uuid;

use crate::{
    Problem, Trust,
    trust::{Claims, TokenError},
};

/// What names a request in logs and events.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// `X-Request-Id`; the correlation of every event that the request leads to.
    pub request_id: Uuid,
    /// `traceparent` (W3C Trace Context), if the client sent a valid one.
    pub traceparent: Option<String>,
}

/// What a verified token says, and the request it came with.
#[derive(Clone, Debug)]
pub struct Identity {
    claims: Arc<Claims>,
    context: RequestContext,
    muted: bool,
}

/// An access token in the `Authorization` header; an endpoint with this parameter is for people who are signed in.
#[derive(SecurityScheme)]
#[oai(rename = "access_token", ty = "bearer", bearer_format = "JWT", checker = "authenticate")]
pub struct Caller(Identity);

#[expect(clippy::unused_async, reason = "poem awaits the checker")]
async fn authenticate(request: &Request, bearer: Bearer) -> poem::Result<Identity> {
    let (Some(trust), Some(context)) = (request.data::<Trust>(), request.data::<RequestContext>())
    else {
        return Err(Problem::unavailable("the service is still starting").into());
    };
    match trust.verify(&bearer.token) {
        Ok(claims) => {
            let muted = trust.status(claims.sub) == AccountStatus::Muted;
            Ok(Identity { claims, context: context.clone(), muted })
        }
        // A client that is told that its token is bad throws it away.
        Err(TokenError::UnknownKey) if !trust.has_heard_of_keys() => {
            Err(Problem::unavailable("the keys that sign tokens are still being read").into())
        }
        Err(error) => {
            tracing::debug!(error = event_runtime::error::chain(&error), "token refused");
            Err(Problem::unauthorized("the access token is missing, expired or revoked").into())
        }
    }
}

impl Caller {
    /// Who it is.
    pub fn user_id(&self) -> UserId {
        self.0.claims.sub
    }

    /// The session of the token.
    pub fn session_id(&self) -> SessionId {
        self.0.claims.sid
    }

    /// The whole token.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Whether the person has a role.
    pub fn has(&self, role: Role) -> bool {
        self.0.claims.roles.contains(&role)
    }

    /// Lets nobody else in.
    ///
    /// # Errors
    ///
    /// 403 without the role.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.has(role) {
            Ok(())
        } else {
            Err(Problem::forbidden("role-required", format!("this needs the role {role}")))
        }
    }

    /// Lets nobody in who has none of some roles.
    ///
    /// # Errors
    ///
    /// 403 without any of them.
    pub fn require_any(&self, roles: &[Role]) -> Result<(), Problem> {
        if roles.iter().any(|role| self.has(*role)) {
            return Ok(());
        }
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let detail = format!("this needs one of the roles {}", names.join(", "));
        Err(Problem::forbidden("role-required", detail))
    }

    /// Lets nobody write who is muted.
    ///
    /// # Errors
    ///
    /// 403 while the account is muted.
    pub fn may_write(&self) -> Result<(), Problem> {
        if self.0.muted {
            return Err(Problem::forbidden("account-muted", "this account may read and not write"));
        }
        Ok(())
    }

    /// Metadata for the events that this request leads to.
    pub fn metadata(&self) -> Metadata {
        Metadata { actor: Some(self.user_id()), ..self.0.context.metadata() }
    }
}

impl RequestContext {
    /// Metadata for events of a request without a known person behind it.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            actor: None,
            correlation_id: Some(self.request_id),
            causation_id: None,
            traceparent: self.traceparent.clone(),
        }
    }
}
