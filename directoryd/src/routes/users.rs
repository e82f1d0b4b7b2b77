//! `/users…`

use http::StatusCode;
use proto::directory::ProblemCode::{Conflict, Forbidden};
use proto::directory::{NewPassword, NewUser, PatchUser, User};

use super::context::{Context, SMALL};
use super::endpoint::{Endpoint, endpoint};
use super::query;
use super::reply::{self, Outcome};
use crate::handlers::caller::Caller;
use crate::handlers::users;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(PUT "/api/v1/users/{name}/password" => set_password)
            .does("Change one's own password; for admins, set anybody's. Ends the account's other sessions.")
            .takes::<NewPassword>()
            .ends("It is changed.")
            .refuses(&[Forbidden]),
        endpoint!(GET "/api/v1/users/{name}" => show_user)
            .does("Show one's own account; for admins, anybody's.")
            .gives::<User>(StatusCode::OK, "The account.")
            .refuses(&[Forbidden]),
        endpoint!(PATCH "/api/v1/users/{name}" => change_user)
            .does("Disable, enable, or change the role of an account. For admins.")
            .takes::<PatchUser>()
            .gives::<User>(StatusCode::OK, "The account as it is now.")
            .refuses(&[Forbidden]),
        endpoint!(DELETE "/api/v1/users/{name}" => remove_user)
            .does("Remove an account, its peers and what they announced. For admins.")
            .ends("It is gone.")
            .refuses(&[Forbidden]),
        endpoint!(GET "/api/v1/users" => list_users)
            .does("List accounts, in the order of names. For admins.")
            .asks::<query::Users>()
            .lists::<User>()
            .refuses(&[Forbidden]),
        endpoint!(POST "/api/v1/users" => add_user)
            .does("Make an account. For admins.")
            .takes::<NewUser>()
            .gives::<User>(StatusCode::CREATED, "The account.")
            .refuses(&[Forbidden, Conflict]),
    ]
}

async fn set_password(cx: &mut Context, caller: Caller) -> Outcome {
    let user = cx.user()?;
    caller.must_be_admin_or(&user)?;
    let request: NewPassword = cx.json(SMALL).await?;
    users::set_password(&cx.app, &caller, user, request, cx.address).await?;
    Ok(reply::done())
}

async fn show_user(cx: &mut Context, caller: Caller) -> Outcome {
    let user = cx.user()?;
    caller.must_be_admin_or(&user)?;
    reply::ok(&users::get(&cx.app, user).await?)
}

async fn change_user(cx: &mut Context, caller: Caller) -> Outcome {
    caller.must_be_admin()?;
    let request: PatchUser = cx.json(SMALL).await?;
    reply::ok(&users::patch(&cx.app, cx.user()?, request).await?)
}

async fn remove_user(cx: &mut Context, caller: Caller) -> Outcome {
    caller.must_be_admin()?;
    users::remove(&cx.app, cx.user()?).await?;
    Ok(reply::done())
}

async fn list_users(cx: &mut Context, caller: Caller) -> Outcome {
    caller.must_be_admin()?;
    let query: query::Users = query::parse(&cx.query)?;
    let (cursor, limit) = query.page()?;
    reply::ok(&users::list(&cx.app, cursor, limit).await?)
}

async fn add_user(cx: &mut Context, caller: Caller) -> Outcome {
    caller.must_be_admin()?;
    let request: NewUser = cx.json(SMALL).await?;
    reply::json(StatusCode::CREATED, &users::create(&cx.app, request).await?)
}
