//! What each service may do in Redis.
//!
//! A stream belongs to the service that writes it: `ev:{post.p0}:e1` is written by `post` alone.
//! Everyone may read it in a consumer group of his own. So a service that is taken over, or has a
//! fault, cannot forge, trim or delete another's events.
//!
//! Two kinds of keys are shared. Consumers append to `ctl:{post}` what they tell `post`, and cannot read what others said;
//! a reader trims `catchup:{post.p0}:…`, copies of events that `post` wrote there at its request.

use std::fmt::Write as _;

use anyhow::Result;

use crate::secrets::{ADMIN, Secrets};
use crate::services::SERVICES;

/// What any user may do without naming a key.
///
/// `@connection` is HELLO, AUTH, PING, CLIENT SETNAME and the like; its dangerous part (CLIENT KILL,
/// CLIENT PAUSE) goes again with `-@dangerous`, which must come before INFO and CONFIG GET are given back.
const KEYLESS: &str = "+@connection +@transaction +command +time +script|load +script|exists -@dangerous \
                       +info +config|get";

/// What an owner may do with his own keys.
const OWNER: &str = "+@stream +@string +@hash +@sortedset +eval +eval_ro +evalsha +evalsha_ro +del +unlink \
                     +exists +type +expire +pexpire +persist +ttl +pttl +memory|usage";

/// What a reader may do with another's stream: read it in a group, and look after that group.
const READER: &str = "+xread +xreadgroup +xack +xgroup|create +xgroup|createconsumer +xgroup|delconsumer \
                      +xgroup|setid +xinfo +xpending +xrange +xrevrange +xlen +xautoclaim +xclaim +type +exists";

/// What a consumer may do with another's control stream, and with the layout beside it.
const TELLER: &str = "(~ctl:{* -@all +xadd) (~ctl:{*:layout -@all +get +exists)";

/// What a reader may do with events that were written for him.
const CATCH_UP: &str = "(~catchup:{* -@all +xread +xrange +xlen +xinfo +xtrim +xdel +del +unlink +expire +pexpire \
                        +exists +type)";

/// The Redis ACL file (`aclfile`) of a stack.
///
/// # Errors
///
/// When a password is missing.
pub fn render(secrets: &Secrets) -> Result<String> {
    let mut file = String::from("user default off\n");
    writeln!(file, "user {ADMIN} on >{} ~* &* +@all", secrets.redis_password(ADMIN)?)?;
    for service in &SERVICES {
        let name = service.name;
        let keys = match service.schema {
            Some(_) => format!("~ev:{{{name}.* ~ctl:{{{name}}}* ~catchup:{{{name}.*"),
            None => "~rl:*".to_owned(),
        };
        let password = secrets.redis_password(name)?;
        writeln!(
            file,
            "user {name} on >{password} resetchannels {keys} -@all {OWNER} {KEYLESS} (~ev:{{* -@all {READER}) \
             {TELLER} {CATCH_UP}"
        )?;
    }
    Ok(file)
}
