//! The person behind a request.

use std::{ops::Deref, sync::Arc};

use chrono::SecondsFormat;
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
    trust::{Claims, Restriction, TokenError},
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
    restriction: Option<Restriction>,
}

/// An access token in the `Authorization` header; an endpoint with this parameter is for people who are signed in, and neither
/// suspended nor banned.
#[derive(SecurityScheme)]
#[oai(rename = "access_token", ty = "bearer", bearer_format = "JWT", checker = "authenticate")]
pub struct Caller(Identity);

/// A [`Caller`] who may be suspended or banned. An endpoint with this parameter is one of the few that are left to them: to read what
/// is held against them, to appeal, and to leave.
#[derive(SecurityScheme)]
#[oai(rename = "access_token", ty = "bearer", bearer_format = "JWT", checker = "recognise")]
pub struct AnyCaller(Identity);

impl Deref for AnyCaller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

async fn authenticate(request: &Request, bearer: Bearer) -> poem::Result<Identity> {
    let identity = recognise(request, bearer).await?;
    match identity.restriction {
        Some(restriction) if restriction.shuts_out() => Err(refusal(restriction).into()),
        Some(_) | None => Ok(identity),
    }
}

#[expect(clippy::unused_async, reason = "poem awaits the checker")]
async fn recognise(request: &Request, bearer: Bearer) -> poem::Result<Identity> {
    let (Some(trust), Some(context)) = (request.data::<Trust>(), request.data::<RequestContext>())
    else {
        return Err(Problem::unavailable("the service is still starting").into());
    };
    match trust.verify(&bearer.token) {
        Ok(claims) => {
            let restriction = trust.restriction(&claims);
            Ok(Identity { claims, context: context.clone(), restriction })
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

/// What a sanction forbids, until when, and what can be done about it.
fn refusal(restriction: Restriction) -> Problem {
    let (kind, left) = match restriction.status {
        AccountStatus::Muted => ("account-muted", "this account may read and not write"),
        AccountStatus::Suspended => ("account-suspended", "this account is suspended"),
        AccountStatus::Banned => ("account-banned", "this account is banned"),
        AccountStatus::Active | AccountStatus::Inactive => ("forbidden", "this account is closed"),
    };
    let until = restriction.until.map_or_else(String::new, |until| {
        format!(" until {}", until.to_rfc3339_opts(SecondsFormat::Secs, true))
    });
    let detail = format!(
        "{left}{until}. GET /api/v1/moderation/standing/mine and /api/v1/moderation/decisions/mine say why; \
         POST /api/v1/moderation/decisions/{{case_id}}/appeal appeals against a decision"
    );
    Problem::forbidden(kind, detail)
}

impl Identity {
    /// Who it is.
    pub fn user_id(&self) -> UserId {
        self.claims.sub
    }

    /// The session of the token.
    pub fn session_id(&self) -> SessionId {
        self.claims.sid
    }

    /// The whole token.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether the person has a role.
    pub fn has(&self, role: Role) -> bool {
        self.claims.roles.contains(&role)
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
    /// 403 while the account is muted, or worse.
    pub fn may_write(&self) -> Result<(), Problem> {
        self.restriction.map_or(Ok(()), |restriction| Err(refusal(restriction)))
    }

    /// Metadata for the events that this request leads to.
    pub fn metadata(&self) -> Metadata {
        Metadata { actor: Some(self.user_id()), ..self.context.metadata() }
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
