//! The rules of an account.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use event_runtime::Aggregate;
use service_kit::trust::Restriction;
use shared_schemas::{
    UserId,
    post::Category,
    user::{AccountStatus, Role, UserEvent},
};

/// What commands need to know about an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum User {
    /// Nobody signed up under this id.
    #[default]
    Unknown,
    /// Somebody did.
    Registered(Registered),
    /// Its owner closed it.
    Deleted,
}

/// An account that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    verified: bool,
    /// What it may do once it is verified.
    status: AccountStatus,
    /// When that ends, unless moderation decides something meanwhile.
    until: Option<DateTime<Utc>>,
    granted: BTreeSet<Role>,
    interests: Vec<Category>,
}

/// Why an account refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// There is none, or it is closed.
    #[error("there is no such user")]
    NotFound,
    /// The id is taken.
    #[error("the account exists already")]
    Exists,
    /// It was verified before.
    #[error("the address is verified already")]
    AlreadyVerified,
    /// Its owner has not proved to own the address.
    #[error("the account may not sign in")]
    MayNotSignIn,
}

impl Aggregate for User {
    type Id = UserId;
    type Event = UserEvent;

    fn evolve(self, event: &UserEvent) -> Self {
        let mut user = match self {
            Self::Registered(user) => user,
            Self::Unknown | Self::Deleted => Registered {
                verified: false,
                status: AccountStatus::Active,
                until: None,
                granted: BTreeSet::new(),
                interests: Vec::new(),
            },
        };
        match event {
            UserEvent::Registered { interests } | UserEvent::InterestsChanged { interests } => {
                user.interests.clone_from(interests);
            }
            UserEvent::EmailVerified {} => user.verified = true,
            UserEvent::RoleGranted { role } => {
                user.granted.insert(*role);
            }
            UserEvent::StatusChanged { status, until } => {
                (user.status, user.until) = (*status, *until);
            }
            UserEvent::Deleted {} => return Self::Deleted,
        }
        Self::Registered(user)
    }
}

impl User {
    /// Begins an account.
    ///
    /// # Errors
    ///
    /// [`UserError::Exists`] if the id is taken.
    pub fn register(&self, interests: &[Category]) -> Result<Vec<UserEvent>, UserError> {
        match self {
            Self::Unknown => Ok(vec![UserEvent::Registered { interests: distinct(interests) }]),
            Self::Registered(_) | Self::Deleted => Err(UserError::Exists),
        }
    }

    /// Notes that its owner proved to own the address, and grants what comes with it.
    ///
    /// # Errors
    ///
    /// [`UserError::AlreadyVerified`] and [`UserError::NotFound`].
    pub fn verify(&self, granted: &[Role]) -> Result<Vec<UserEvent>, UserError> {
        let user = self.registered()?;
        if user.verified {
            return Err(UserError::AlreadyVerified);
        }
        let mut events = vec![UserEvent::EmailVerified {}];
        let new = granted.iter().filter(|role| !user.granted.contains(role));
        events.extend(new.map(|role| UserEvent::RoleGranted { role: *role }));
        Ok(events)
    }

    /// Records nothing, and refuses an account whose owner has proved to own the address.
    ///
    /// # Errors
    ///
    /// [`UserError::AlreadyVerified`] and [`UserError::NotFound`].
    pub fn be_unverified(&self) -> Result<Vec<UserEvent>, UserError> {
        if self.registered()?.verified { Err(UserError::AlreadyVerified) } else { Ok(vec![]) }
    }

    /// Replaces the interests. Repeating what holds records nothing.
    ///
    /// # Errors
    ///
    /// [`UserError::NotFound`].
    pub fn change_interests(&self, interests: &[Category]) -> Result<Vec<UserEvent>, UserError> {
        let user = self.registered()?;
        let interests = distinct(interests);
        Ok(if user.interests == interests {
            vec![]
        } else {
            vec![UserEvent::InterestsChanged { interests }]
        })
    }

    /// Closes the account for good.
    ///
    /// # Errors
    ///
    /// [`UserError::NotFound`] if it is closed already.
    pub fn delete(&self) -> Result<Vec<UserEvent>, UserError> {
        self.registered()?;
        Ok(vec![UserEvent::Deleted {}])
    }

    /// Records what moderation lets the account do from now on. Repeating what holds records nothing, and so does a restriction
    /// of an account that is closed.
    pub fn restrict(&self, status: AccountStatus, until: Option<DateTime<Utc>>) -> Vec<UserEvent> {
        match self {
            Self::Registered(user) if (user.status, user.until) != (status, until) => {
                vec![UserEvent::StatusChanged { status, until }]
            }
            Self::Registered(_) | Self::Unknown | Self::Deleted => vec![],
        }
    }

    /// Records nothing, and refuses whoever may not sign in. The suspended and the banned may: to read why, to appeal, and to leave.
    ///
    /// # Errors
    ///
    /// [`UserError::MayNotSignIn`].
    pub fn sign_in(&self) -> Result<Vec<UserEvent>, UserError> {
        match self.status() {
            AccountStatus::Active
            | AccountStatus::Muted
            | AccountStatus::Suspended
            | AccountStatus::Banned => Ok(vec![]),
            AccountStatus::Inactive => Err(UserError::MayNotSignIn),
        }
    }

    /// Records nothing, and refuses an account that others cannot see.
    ///
    /// # Errors
    ///
    /// [`UserError::NotFound`].
    pub fn be_seen(&self) -> Result<Vec<UserEvent>, UserError> {
        match self.status() {
            AccountStatus::Active | AccountStatus::Muted => Ok(vec![]),
            AccountStatus::Inactive | AccountStatus::Suspended | AccountStatus::Banned => {
                Err(UserError::NotFound)
            }
        }
    }

    /// Whether the account may act.
    pub fn status(&self) -> AccountStatus {
        match self {
            Self::Registered(Registered { verified: true, status, .. }) => *status,
            Self::Registered(_) | Self::Unknown | Self::Deleted => AccountStatus::Inactive,
        }
    }

    /// What a sanction leaves the account, if it is under one.
    pub fn restriction(&self) -> Option<Restriction> {
        match self {
            Self::Registered(user) => Restriction::of(user.status, user.until),
            Self::Unknown | Self::Deleted => None,
        }
    }

    /// What the account may do: everybody is a [`Role::User`], and whoever is suspended or banned nothing more.
    pub fn roles(&self) -> Vec<Role> {
        let is_shut_out = self.restriction().is_some_and(|restriction| restriction.shuts_out());
        let granted = match self {
            Self::Registered(user) if !is_shut_out => Some(&user.granted),
            Self::Registered(_) | Self::Unknown | Self::Deleted => None,
        };
        let granted = granted.into_iter().flatten().copied();
        std::iter::once(Role::User).chain(granted.filter(|role| *role != Role::User)).collect()
    }

    fn registered(&self) -> Result<&Registered, UserError> {
        match self {
            Self::Registered(user) => Ok(user),
            Self::Unknown | Self::Deleted => Err(UserError::NotFound),
        }
    }
}

/// Interests without repeats, in the order in which they were named.
fn distinct(interests: &[Category]) -> Vec<Category> {
    let mut seen = BTreeSet::new();
    interests.iter().copied().filter(|interest| seen.insert(*interest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(history: &[UserEvent]) -> User {
        history.iter().fold(User::default(), User::evolve)
    }

    fn registered() -> Vec<UserEvent> {
        User::Unknown.register(&[Category::Food]).unwrap()
    }

    fn verified() -> Vec<UserEvent> {
        let mut history = registered();
        history.extend(given(&history).verify(&[]).unwrap());
        history
    }

    #[test]
    fn nobody_signs_in_before_the_address_is_verified() {
        assert_eq!(given(&registered()).sign_in(), Err(UserError::MayNotSignIn));
        assert_eq!(given(&verified()).sign_in(), Ok(vec![]));
    }

    #[test]
    fn a_ban_before_verification_outlives_it_and_leaves_no_role() {
        let mut history = registered();
        history.push(UserEvent::StatusChanged { status: AccountStatus::Banned, until: None });
        history.extend(given(&history).verify(&[Role::Moderator]).unwrap());
        let banned = given(&history);

        assert_eq!(banned.sign_in(), Ok(vec![]));
        assert!(banned.restriction().unwrap().shuts_out());
        assert_eq!(banned.roles(), vec![Role::User]);
        assert_eq!(banned.be_seen(), Err(UserError::NotFound));
    }

    #[test]
    fn the_muted_may_sign_in() {
        let mut history = verified();
        history.push(UserEvent::StatusChanged { status: AccountStatus::Muted, until: None });

        assert_eq!(given(&history).sign_in(), Ok(vec![]));
    }

    #[test]
    fn a_restriction_is_recorded_once_and_taken_back() {
        let mut history = verified();
        let until = DateTime::from_timestamp(1_800_000_000, 0);
        let suspended = given(&history).restrict(AccountStatus::Suspended, until);
        history.extend(suspended);
        assert_eq!(given(&history).restrict(AccountStatus::Suspended, until), vec![]);
        assert_eq!(given(&history).restriction().unwrap().until, until);
        // It lasts longer now, which is news.
        assert_eq!(given(&history).restrict(AccountStatus::Suspended, None).len(), 1);

        history.extend(given(&history).restrict(AccountStatus::Active, None));

        assert_eq!(given(&history).restriction(), None);
        assert_eq!(User::Unknown.restrict(AccountStatus::Banned, None), vec![]);
    }

    #[test]
    fn the_end_of_a_restriction_lets_nobody_in_whose_address_is_not_verified() {
        let mut history = registered();
        for status in [AccountStatus::Suspended, AccountStatus::Active] {
            history.extend(given(&history).restrict(status, None));
        }

        assert_eq!(history.len(), registered().len() + 2);
        assert_eq!(given(&history).sign_in(), Err(UserError::MayNotSignIn));
    }

    #[test]
    fn an_address_is_verified_once() {
        assert_eq!(given(&verified()).verify(&[]), Err(UserError::AlreadyVerified));
    }

    #[test]
    fn roles_come_with_verification_and_once() {
        let events = given(&registered()).verify(&[Role::Moderator]).unwrap();
        let mut history = registered();
        history.extend(events);

        assert_eq!(given(&history).roles(), vec![Role::User, Role::Moderator]);
        assert_eq!(given(&verified()).roles(), vec![Role::User]);
    }

    #[test]
    fn interests_are_kept_without_repeats_and_changed_once() {
        let twice = [Category::Food, Category::Books, Category::Food];
        let history = User::Unknown.register(&twice).unwrap();

        assert_eq!(given(&history).change_interests(&twice), Ok(vec![]));
        assert_eq!(given(&history).change_interests(&[]).unwrap().len(), 1);
    }

    #[test]
    fn nothing_follows_a_deletion() {
        let mut history = verified();
        history.extend(given(&history).delete().unwrap());
        let gone = given(&history);

        assert_eq!(gone.delete(), Err(UserError::NotFound));
        assert_eq!(gone.change_interests(&[]), Err(UserError::NotFound));
        assert_eq!(gone.register(&[]), Err(UserError::Exists));
        assert_eq!(gone.sign_in(), Err(UserError::MayNotSignIn));
    }
}
